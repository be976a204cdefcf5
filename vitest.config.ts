import { defineConfig } from "vitest/config";

/**
 * Three projects: `unit` needs nothing, `mesh` needs root (network namespaces, real daemons), `vm` needs qemu.
 * A mesh or VM file never runs beside another: they share the machine's two cores, and their deadlines are real time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["__test__/unit/**/*.test.ts"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "mesh",
          include: ["__test__/mesh/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          teardownTimeout: 60_000,
        },
      },
      {
        test: {
          name: "vm",
          include: ["__test__/vm/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 1_200_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
