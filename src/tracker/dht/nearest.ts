import { BUCKET_SIZE } from './routing-table.js';

/**
 * Among the nearest eight, nodes whose id does not fit their address, and the others, that are where chance has put them
 * (BEP 42): when all of the former are taken there are ten in all.
 */
const MOST_UNFIT = 4;
const LEAST_FIT = 6;

/** Counts the nodes nearest to a target until there are enough of them. */
export class Nearest {
  #fit = 0;
  #unfit = 0;

  /** Whether one more counts; `fits` says that its id fits its address. */
  takes(fits: boolean): boolean {
    return fits || this.#unfit < MOST_UNFIT;
  }

  add(fits: boolean): void {
    if (fits) this.#fit++;
    else this.#unfit++;
  }

  get isFull(): boolean {
    return this.#fit >= LEAST_FIT && this.#fit + this.#unfit >= BUCKET_SIZE;
  }
}
