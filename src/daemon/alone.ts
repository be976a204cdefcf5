/**
 * What the command line does by itself, where no daemon runs or none is wanted.
 */
export { type FirewallReport, firewallReport } from "./firewallReport.ts";
export { undoLeftovers } from "./leftovers.ts";
export { netCheckAlone } from "./netCheckAlone.ts";
export { lockStateFiles } from "./stateLock.ts";
export { type TestPeerResult, testPeer } from "./testPeer.ts";
