/**
 * The file of DHT nodes (PROTOCOL.md section 8), the same as the Go peer's: records of 38 bytes, id 20, IPv6 address 16 (IPv4 as
 * ::ffff:a.b.c.d), port 2, big endian.
 */
import type { Endpoint } from "../../core/types.ts";

const RECORD_BYTES = 38;
const ID_BYTES = 20;
const MAPPED = Buffer.from("00000000000000000000ffff", "hex");
/** More are not looked at. */
const MAX_RECORDS = 1_000;

/** Where the records of one mesh are kept. */
export interface DhtNodesStore {
  /** Empty when there is no such file. */
  read(): Promise<Uint8Array>;
  write(records: Uint8Array): Promise<void>;
}

/** The IPv4 addresses of the records, without repeats; records that make no sense, and a rest that is none, are left out. */
export function nodeAddresses(records: Uint8Array): Endpoint[] {
  const bytes = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
  const count = Math.min(MAX_RECORDS, Math.floor(bytes.length / RECORD_BYTES));
  const found = new Map<string, Endpoint>();
  for (let index = 0; index < count; index += 1) {
    const record = bytes.subarray(index * RECORD_BYTES, (index + 1) * RECORD_BYTES);
    const address = record.subarray(ID_BYTES);
    const port = address.readUInt16BE(16);
    if (port === 0 || !address.subarray(0, 12).equals(MAPPED)) continue;
    const host = address.subarray(12, 16).join(".");
    found.set(`${host}:${port}`, { host, port });
  }
  return [...found.values()];
}
