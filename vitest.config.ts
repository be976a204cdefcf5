import { defineConfig } from "vitest/config";

/** For all projects. */
const setupFiles = ["__test__/ownFolder.ts"];

/**
 * `unit` and `simulator` need nothing, `mesh` and `wireguard` need root (network namespaces; real daemons, WireGuard alone), `vm` needs
 * qemu; it runs the mesh files, and those of `inside-vm`, once more inside a VM whose kernel has WireGuard.
 * A mesh or VM file never runs beside another: they share the machine's two cores, and their deadlines are real time. Tests of
 * `wireguard` spend their time waiting, so they run side by side; those that need the machine, in `wireguard-load`, do not.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          setupFiles,
          name: "unit",
          include: ["__test__/unit/**/*.test.ts"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          setupFiles,
          name: "simulator",
          include: ["__test__/simulator/**/*.test.ts"],
          maxWorkers: 2,
          testTimeout: 60_000,
          execArgv: ["--max-semi-space-size=64"],
        },
      },
      {
        test: {
          setupFiles,
          name: "mesh",
          include: ["__test__/mesh/**/*.test.ts"],
          fileParallelism: false,
          // Inside the VM everything takes ten times as long.
          testTimeout: process.env.IN_VM === undefined ? 300_000 : 1_200_000,
          hookTimeout: process.env.IN_VM === undefined ? 300_000 : 1_200_000,
        },
      },
      {
        test: {
          setupFiles,
          name: "wireguard",
          include: ["__test__/wireguard/*.test.ts"],
          maxWorkers: 2,
          maxConcurrency: 6,
          testTimeout: 120_000,
        },
      },
      {
        test: {
          setupFiles,
          name: "wireguard-load",
          include: ["__test__/wireguard/load/*.test.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
        },
      },
      {
        test: {
          setupFiles,
          name: "vm",
          include: ["__test__/vm/*.test.ts"],
          fileParallelism: false,
          testTimeout: 1_200_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          setupFiles,
          name: "inside-vm",
          include: ["__test__/vm/inside/*.test.ts"],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
