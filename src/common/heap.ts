/** What lies in a `Heap`; it keeps its own place, so that it can be taken out of the middle. */
export interface HeapItem {
  /** Least first. Does not change while the item is in a heap. */
  rank: number;
  /** Where it lies, or -1; written by the heap. */
  heapIndex: number;
}

/** The item of least rank, out of many: O(log n) to put in, and to take out, from anywhere. */
export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The item of least rank; undefined when empty. */
  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Takes an item out; one that is not in is left alone. */
  remove(item: T): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.#items.pop()!;
    if (last === item) return;
    const parent = this.#items[(at - 1) >> 1];
    if (parent && at > 0 && last.rank < parent.rank) this.#rise(last, at);
    else this.#sink(last, at);
  }

  #rise(item: T, from: number): void {
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#items[parentAt]!;
      if (parent.rank <= item.rank) break;
      this.#place(parent, at);
      at = parentAt;
    }
    this.#place(item, at);
  }

  #sink(item: T, from: number): void {
    const items = this.#items;
    let at = from;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt + 1 < items.length && items[childAt + 1]!.rank < items[childAt]!.rank) childAt++;
      const child = items[childAt];
      if (!child || item.rank <= child.rank) break;
      this.#place(child, at);
      at = childAt;
    }
    this.#place(item, at);
  }

  #place(item: T, at: number): void {
    this.#items[at] = item;
    item.heapIndex = at;
  }
}
