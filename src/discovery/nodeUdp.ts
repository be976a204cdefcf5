import { createSocket } from "node:dgram";
import type { UdpBinding, UdpHandlers, UdpSocket, UdpSocketFactory } from "./udpSocket.ts";

/** A burst of announcements must fit while the event loop is busy elsewhere (weak point 35); the kernel may cap it. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** Told the port of a socket before anything is sent from it; what it throws, binding rejects with. */
export type OnBound = (port: number) => void;

/** Binds a socket of the operating system. */
export const bindNodeUdp: UdpSocketFactory = (binding, handlers) => bindTelling(binding, handlers);

/** The same, telling of each socket first. */
export const bindNodeUdpWith =
  (onBound: OnBound | undefined): UdpSocketFactory =>
  (binding, handlers) =>
    bindTelling(binding, handlers, onBound);

function bindTelling(binding: UdpBinding, handlers: UdpHandlers, onBound?: OnBound): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: binding.family,
      reuseAddr: binding.reuseAddress ?? false,
      ipv6Only: false,
      // Only literals are ever sent to: nothing here may wait for a resolver.
      lookup: (host, _options, done) => done(null, host, binding.family === "udp6" ? 6 : 4),
    });
    let closed = false;
    const close = (): void => {
      if (closed) return;
      closed = true;
      socket.close();
    };
    const onBindError = (error: Error): void => {
      close();
      reject(error);
    };
    socket.once("error", onBindError);
    socket.bind({ address: binding.address, port: binding.port }, () => {
      socket.off("error", onBindError);
      try {
        onBound?.(socket.address().port);
      } catch (error) {
        close();
        reject(error);
        return;
      }
      socket.on("error", handlers.error);
      socket.on("message", (data, source) => handlers.datagram(data, source));
      growReceiveBuffer(() => socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES));
      resolve({
        send(data, port, address, done) {
          if (closed) return done(new Error("socket is closed"));
          try {
            socket.send(data, port, address, (error) => done(error));
          } catch (error) {
            done(error instanceof Error ? error : new Error(String(error)));
          }
        },
        joinGroup: (group, linkAddress) => socket.addMembership(group, linkAddress),
        sendMulticastVia(linkAddress, ttl) {
          socket.setMulticastInterface(linkAddress);
          socket.setMulticastTTL(ttl);
          // Nodes of other network namespaces or processes on this host are peers too.
          socket.setMulticastLoopback(true);
        },
        close,
      });
    });
  });
}

/** Some containers forbid it; the default buffer then has to do. */
function growReceiveBuffer(grow: () => void): void {
  try {
    grow();
  } catch {
    return;
  }
}
