import { errorTable } from "../../core/errors.ts";
import { type Check, fault, note, ok } from "../check.ts";
import { TUN_DEVICE } from "./backend.ts";

/** The device of every backend but the kernel's. */
export const tunCheck: Check = {
  id: "tun",
  title: "TUN device",
  judge({ options }, host) {
    if (host.platform !== "linux") return ok("this system needs none");
    const error = host.deviceError(TUN_DEVICE);
    if (error === null) return ok(`${TUN_DEVICE} can be opened`);
    const seen = `${TUN_DEVICE} cannot be opened (${error})`;
    const kernel = host.kernelWireguard();
    const kernelDoes =
      ["auto", "kernel"].includes(options.backend) && (kernel === "there" || kernel === "loadable");
    if (kernelDoes) return note(`${seen}; the kernel's WireGuard does without`);
    return fault(seen, error === "EACCES" ? errorTable.ERR_PERMISSION.hint : errorTable.ERR_NO_TUN.hint);
  },
};
