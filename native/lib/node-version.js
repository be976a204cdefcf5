// The oldest Node.js that is supported, said clearly. Written so that old ones can read it, and run before all else.

const { coded } = require("./errors.js");

/** As `engines` of package.json has it; a test compares them. */
const OLDEST = "20.19";

function check() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST.split(".").map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw coded(
    "ENOTSUP",
    `cannot load @wgmesh/native: it needs Node.js ${OLDEST} or newer, this is ${process.versions.node}; install a newer one`,
  );
}

exports.check = check;
exports.OLDEST = OLDEST;
