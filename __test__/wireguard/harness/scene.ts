/** A test with places of its own, gone when it is over; so tests of one file may run side by side. */
import { test as base } from "vitest";
import { Place } from "./place.ts";

// A worker whose vitest was ended would go on by itself, and so would all it has started.
process.once("disconnect", () => process.exit(1));

export class Scene {
  readonly #places: Place[] = [];

  async place(): Promise<Place> {
    const place = await Place.make();
    this.#places.push(place);
    return place;
  }

  async end(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.end()));
  }
}

export const test = base.extend<{ scene: Scene }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads what a fixture needs from this pattern.
  scene: async ({}, use) => {
    const scene = new Scene();
    try {
      await use(scene);
    } finally {
      await scene.end();
    }
  },
});
