/**
 * What a node gives away by announcing itself (row D9).
 */
import { type OptionTable, on } from "./optionRow.ts";

export interface PrivacyOptions {
  /** Announcements travel by stem and fluff, and no message names a third node. */
  readonly privacy: boolean;
}

export const privacyOptions: OptionTable<PrivacyOptions> = {
  privacy: {
    flag: "--privacy",
    group: "Discovery",
    help: "announce this node through the tunnels alone, by way of others (Dandelion++), and name no other node to anybody",
    default: false,
    form: on,
  },
};
