/**
 * What `wgmeshd` is made of besides its command line: the addon, and all that needs it. Imported at once, when the command line is found
 * good, since each file that Node.js has to load costs a daemon's start about a millisecond.
 */
export { Daemon } from "../daemon/door.ts";
export { openMeshSecret, takeMeshSecret } from "../identity/meshSecret.ts";
export { ignoreTerminalStops, replaceProcess } from "../launch/native.ts";
export { startInBackground } from "../launch/start.ts";
