/**
 * The checks by their ids, in the order they are shown: what is wrong further up explains what is wrong below.
 */
import type { Check } from "./check.ts";
import { backendCheck } from "./checks/backend.ts";
import { clockCheck } from "./checks/clock.ts";
import { configurationCheck } from "./checks/configuration.ts";
import { daemonCheck, troublesCheck } from "./checks/daemon.ts";
import {
  leftoversCheck,
  nodeFilesCheck,
  secretCheck,
  stateDirectoryCheck,
  stateFileCheck,
} from "./checks/files.ts";
import { firewallCheck } from "./checks/firewall.ts";
import { interfaceCheck } from "./checks/interface.ts";
import { descriptorsCheck, linkManagerCheck, overlapCheck } from "./checks/machine.ts";
import {
  dnsCheck,
  forwardingCheck,
  ipv6Check,
  mtuCheck,
  multicastCheck,
  routeCheck,
  stunCheck,
} from "./checks/network.ts";
import { controlPortCheck, lanPortCheck, listenPortCheck } from "./checks/ports.ts";
import { rightsCheck } from "./checks/rights.ts";
import { tunCheck } from "./checks/tun.ts";

export const doctorChecks: readonly Check[] = [
  daemonCheck,
  troublesCheck,
  rightsCheck,
  tunCheck,
  backendCheck,
  interfaceCheck,
  listenPortCheck,
  controlPortCheck,
  lanPortCheck,
  configurationCheck,
  secretCheck,
  stateDirectoryCheck,
  stateFileCheck,
  nodeFilesCheck,
  leftoversCheck,
  descriptorsCheck,
  clockCheck,
  routeCheck,
  ipv6Check,
  mtuCheck,
  dnsCheck,
  stunCheck,
  multicastCheck,
  firewallCheck,
  forwardingCheck,
  overlapCheck,
  linkManagerCheck,
];
