// What embeddedEnd.mjs can do with relays and bridges: one of each a process.
let relay;
let bridge;
let heard = [];

const token = (text) => (text === undefined ? undefined : Buffer.from(text, "hex"));

export const relayCommands = ({ RelayServer, Bridge }) => ({
  openRelay: (options) => {
    relay = RelayServer.open(options);
    return relay.port;
  },
  addSession: ({ first, second, limits }) => relay.addSession(token(first), token(second), limits),
  removeSession: ({ session }) => relay.removeSession(session),
  sessions: () => relay.sessions(),
  relayCounters: () => relay.counters(),
  closeRelay: () => relay.close(),
  /** Its endpoint. One that was open before is closed. */
  openBridge: ({ token: text, ...options }) => {
    bridge?.close();
    heard = [];
    bridge = Bridge.open({ ...options, token: token(text) });
    bridge.onDatagram((data) => heard.push(data.toString()));
    return bridge.endpoint;
  },
  repoint: ({ remote, token: text }) => bridge.repoint(remote, token(text)),
  setDelivery: ({ on }) => bridge.setDelivery(on),
  sendBeside: ({ text }) => bridge.send(Buffer.from(text)),
  heard: () => heard,
  bridgeCounters: () => bridge.counters(),
  closeBridge: () => bridge.close(),
});
