/** The requests that one peer owes us, in the order in which they were sent. Flat rings: a request is no object. */
export class RequestQueue {
  #blocks = new Float64Array(64);
  #sentAt = new Float64Array(64);
  #head = 0;
  #tail = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** When the oldest request was sent; Infinity when there is none. */
  get oldestMs(): number {
    return this.#size === 0 ? Infinity : this.#sentAt[this.#head & (this.#blocks.length - 1)]!;
  }

  add(block: number, nowMs: number): void {
    if (this.#tail - this.#head === this.#blocks.length) this.#grow();
    const at = this.#tail++ & (this.#blocks.length - 1);
    this.#blocks[at] = block;
    this.#sentAt[at] = nowMs;
    this.#size++;
  }

  has(block: number): boolean {
    return this.#find(block) >= 0;
  }

  /** Takes a request out; returns when it was sent, or -1 when the block was not asked for. */
  remove(block: number): number {
    const found = this.#find(block);
    if (found < 0) return -1;
    const mask = this.#blocks.length - 1;
    const sentAt = this.#sentAt[found & mask]!;
    this.#blocks[found & mask] = -1; // a hole, until the head gets there
    this.#size--;
    while (this.#head < this.#tail && this.#blocks[this.#head & mask] === -1) this.#head++;
    return sentAt;
  }

  /** Empties the queue; returns what was in it, oldest first. */
  clear(): number[] {
    const blocks = this.list();
    this.#head = this.#tail = this.#size = 0;
    return blocks;
  }

  /** The blocks owed, oldest first. */
  list(): number[] {
    const blocks: number[] = [];
    for (let at = this.#head; at < this.#tail; at++) {
      const block = this.#blocks[at & (this.#blocks.length - 1)]!;
      if (block !== -1) blocks.push(block);
    }
    return blocks;
  }

  /** Nearly all peers answer in order: the head is what is looked for. */
  #find(block: number): number {
    if (block < 0) return -1; // a hole has that number
    const mask = this.#blocks.length - 1;
    for (let at = this.#head; at < this.#tail; at++) if (this.#blocks[at & mask] === block) return at;
    return -1;
  }

  /** Squeezes the holes out; doubles the rings if that is not enough. */
  #grow(): void {
    const mask = this.#blocks.length - 1;
    const length = this.#size > this.#blocks.length / 2 ? this.#blocks.length * 2 : this.#blocks.length;
    const blocks = new Float64Array(length);
    const sentAt = new Float64Array(length);
    let end = 0;
    for (let at = this.#head; at < this.#tail; at++) {
      if (this.#blocks[at & mask] === -1) continue;
      blocks[end] = this.#blocks[at & mask]!;
      sentAt[end++] = this.#sentAt[at & mask]!;
    }
    this.#blocks = blocks;
    this.#sentAt = sentAt;
    this.#head = 0;
    this.#tail = end;
  }
}
