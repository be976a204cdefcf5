import type { LocalNode, LocalNodeSnapshot } from "../peers/localNode.ts";

/**
 * Calls back when something about this node changed that others hear at once, and would otherwise learn at the next refresh. The returned
 * function ends that.
 */
export function onSelfNews(self: LocalNode, tell: () => void): () => void {
  let told = self.snapshot;
  return self.subscribe((snapshot) => {
    // A first external address is no news: whoever heard us took it from the datagram's source.
    const { externalHost, externalControl, settled } = snapshot;
    // Where our control socket is seen is in no message, and being settled counts only where it is disputed.
    const same = { ...told, externalControl, settled, externalHost: told.externalHost ?? externalHost };
    told = snapshot;
    const members = Object.keys(snapshot) as (keyof LocalNodeSnapshot)[];
    if (members.some((member) => snapshot[member] !== same[member])) tell();
  });
}
