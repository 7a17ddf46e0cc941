"""The memory hierarchy as a textbook has it, one access at a time in plain Python: the oracle for `kernels.memory`."""

from __future__ import annotations

from collections import Counter, OrderedDict


class NaiveCaches:
    """LRU caches, write-allocate and write-back: `counts[level][what, operand]`."""

    def __init__(self, caches, whole=False):
        self.caches, self.whole = caches, whole
        self.sets = [
            [OrderedDict() for _ in range(cache.size_bytes // cache.ways // cache.line_bytes)] for cache in caches
        ]
        self.counts = [Counter() for _ in caches]
        self.beyond = []  # what reaches memory: (first address of the line, is it written back)

    def access(self, address, size=1, write=False, operand=0):
        unit = self.caches[0].line_bytes
        lines = [number * unit for number in range(address // unit, (address + size - 1) // unit + 1)]
        for group in [lines] if self.whole else [[line] for line in lines]:
            self._ask(0, group, write, operand)

    def _ask(self, level, addresses, write, operand):
        """One access, of one line or of several that belong together."""
        if level == len(self.caches):
            self.beyond += [(address, False) for address in addresses]
            return
        counts = self.counts[level]
        counts["accesses", operand] += 1
        missing = [not self._touch(level, address, write, operand) for address in addresses]
        if any(missing):
            counts["misses", operand] += 1
            self._ask(level + 1, addresses, False, operand)

    def _touch(self, level, address, write, operand):
        cache = self.caches[level]
        line = address // cache.line_bytes
        held = self.sets[level][line % len(self.sets[level])]
        found = line in held
        dirty = found and held.pop(line)[1]
        if not found and len(held) == cache.ways:
            victim, (owner, was_dirty) = held.popitem(last=False)
            self.counts[level]["evictions", owner] += 1
            if was_dirty:
                self.counts[level]["write_backs", owner] += 1
                self._give_back(level + 1, victim * cache.line_bytes, owner)
        held[line] = (operand, dirty or write)
        return found

    def _give_back(self, level, address, owner):
        if level == len(self.caches):
            self.beyond.append((address, True))
            return
        line = address // self.caches[level].line_bytes
        held = self.sets[level][line % len(self.sets[level])]
        if line in held:
            held[line] = (held[line][0], True)  # in its place: nobody has used it
        else:
            self.counts[level]["write_backs", owner] += 1
            self._give_back(level + 1, address, owner)


def same(levels, naive, names):
    """Whether `simulate` counted what the textbook did, level by level and operand by operand."""
    for level, counts in zip(levels, naive.counts, strict=True):
        for number, name in enumerate(names):
            own = level.operands[name]
            for what in ("accesses", "misses", "evictions", "write_backs"):
                assert getattr(own, what) == counts[what, number], (level.cache, name, what)
            assert own.hits == own.accesses - own.misses
        for what in ("accesses", "hits", "misses", "evictions", "write_backs"):
            assert getattr(level, what) == sum(getattr(own, what) for own in level.operands.values())
    return True
