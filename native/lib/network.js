// Links and routes: options with defaults, as the addon takes them whole.

const { checkedOptions, unsigned } = require("./errors.js");

/** RTPROT of routes whose maker does not say otherwise: an unassigned number of linux/rtnetlink.h. */
const ROUTE_PROTOCOL = 111;

/** As in native/src/link/mod.rs. */
const UNDERLAY_MARK = 0x3111;

function networkFace(face) {
  const linkCreate = face("linkCreate");
  const linkSetMtu = face("linkSetMtu");
  const routeAdd = face("routeAdd");
  const routeDelete = face("routeDelete");
  return {
    ROUTE_PROTOCOL,
    UNDERLAY_MARK,
    linkCreate(name, kind, options) {
      const { mtu, peer } = checkedOptions(`create ${name}`, options, ["mtu", "peer"]);
      linkCreate(name, kind, unsigned(`create ${name}`, "mtu", mtu), peer);
    },
    linkSetMtu(name, mtu) {
      linkSetMtu(name, unsigned(`set the MTU of ${name}`, "mtu", mtu));
    },
    routeAdd(destination, linkName, options) {
      routeAdd(destination, linkName, routeProperties(`add route ${destination}`, options));
    },
    routeDelete(destination, linkName, options) {
      routeDelete(destination, linkName, routeProperties(`delete route ${destination}`, options));
    },
  };
}

/** A number is the metric. */
function routeProperties(operation, options) {
  const given = typeof options === "number" ? { metric: options } : options;
  const {
    metric = 0,
    gateway,
    protocol = ROUTE_PROTOCOL,
    source,
  } = checkedOptions(operation, given, ["metric", "gateway", "protocol", "source"]);
  const number = (name, value) => unsigned(operation, name, value);
  return { metric: number("metric", metric), gateway, protocol: number("protocol", protocol), source };
}

exports.networkFace = networkFace;
