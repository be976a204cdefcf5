/**
 * The operating system this process runs on.
 */
import { darwinSystem } from "./darwinSystem.ts";
import { linuxSystem } from "./linuxSystem.ts";
import type { System } from "./system.ts";

export const hostSystem: System = process.platform === "darwin" ? darwinSystem : linuxSystem;
