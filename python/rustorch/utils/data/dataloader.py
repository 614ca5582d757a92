# SPDX-License-Identifier: MIT
"""The loader. A TensorDataset with the usual options is batched, shuffled and
prefetched by the runtime; everything else in Python, with threads as workers
(they need no fork, so they work in notebooks and change no result)."""
import collections
import threading

from ... import _C
from ..._C import Tensor, ops as _ops
from .dataset import IterableDataset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed

_local = threading.local()
WorkerInfo = collections.namedtuple("WorkerInfo", "id num_workers seed dataset")


def get_worker_info():
    """Which worker runs this code; None in the main thread."""
    return getattr(_local, "info", None)


def default_convert(data):
    """Arrays as tensors, all else as it is."""
    if hasattr(data, "__array__") and not isinstance(data, Tensor):
        return _C.as_tensor(data)
    return data


def default_collate(batch):
    """Samples to a batch: tensors are stacked, numbers become tensors, tuples
    and dicts are collated field by field."""
    first = batch[0]
    if isinstance(first, Tensor):
        return _ops["stack"](list(batch), 0)
    if isinstance(first, float):
        return _C.tensor(batch, dtype=_C.float64)
    if isinstance(first, (bool, int)):
        return _C.tensor(batch)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if hasattr(first, "__array__"):
        return _ops["stack"]([_C.as_tensor(b) for b in batch], 0)
    if isinstance(first, dict):
        return type(first)({k: default_collate([b[k] for b in batch]) for k in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(list(f)) for f in zip(*batch)))
    if isinstance(first, (tuple, list)):
        if any(len(b) != len(first) for b in batch):
            raise _C.ShapeMismatchError("default_collate: the samples have different "
                                        "numbers of fields; give the loader a collate_fn")
        return [default_collate(list(f)) for f in zip(*batch)]
    raise _C.ArgumentTypeError(f"default_collate: cannot batch {type(first).__name__}; give "
                               "the loader a collate_fn")


class DataLoader:
    """Batches of a data set."""

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None,
                 batch_sampler=None, num_workers=0, collate_fn=None, pin_memory=False,
                 drop_last=False, timeout=0, worker_init_fn=None,
                 multiprocessing_context=None, generator=None, *, prefetch_factor=None,
                 persistent_workers=False, pin_memory_device="", in_order=True):
        if num_workers < 0:
            raise _C.ArgumentError(f"DataLoader: num_workers is {num_workers}, expected 0 "
                                   "or more")
        if sampler is not None and shuffle:
            raise _C.ArgumentError("DataLoader: sampler and shuffle exclude each other")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler or drop_last):
            raise _C.ArgumentError("DataLoader: batch_sampler excludes batch_size, shuffle, "
                                   "sampler and drop_last")
        if batch_size is not None and batch_size < 1:
            raise _C.ArgumentError(f"DataLoader: batch_size is {batch_size}, expected 1 or "
                                   "more")
        self.dataset, self.num_workers, self.drop_last = dataset, num_workers, drop_last
        self.pin_memory, self.timeout, self.generator = pin_memory, timeout, generator
        self.worker_init_fn, self.persistent_workers = worker_init_fn, persistent_workers
        self._iterable = isinstance(dataset, IterableDataset)
        self._own_collate = collate_fn is not None
        usual = sampler is None and batch_sampler is None and collate_fn is None
        if sampler is None and not self._iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else \
                SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None and not self._iterable:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_size is None and
                                         batch_sampler is None else default_collate)
        self._core = None
        if usual and type(dataset) is TensorDataset and batch_size is not None:
            self._core = _C.LoaderCore(dataset, batch_size, bool(shuffle), drop_last,
                                       num_workers, generator)
        self._current = None

    def __len__(self):
        if self._iterable:
            n = len(self.dataset)
            return n if self.batch_size is None else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self):
        if self._core is not None:
            return iter(self._core)
        return self._python_iter()

    def _python_iter(self):
        base_seed = draw_seed(self.generator)
        if self._iterable:
            return self._stream()
        if self.batch_sampler is None:
            jobs = ((lambda i=i: self.collate_fn(self.dataset[i])) for i in self.sampler)
        else:
            jobs = ((lambda b=b: self._fetch(b)) for b in self.batch_sampler)
        if self.num_workers == 0:
            return (job() for job in jobs)
        return self._threaded(jobs, base_seed)

    def _fetch(self, indices):
        dataset = self.dataset
        if hasattr(dataset, "__getitems__"):
            return self.collate_fn(dataset.__getitems__(indices))
        return self.collate_fn([dataset[i] for i in indices])

    def _stream(self):
        if self.batch_size is None:
            yield from map(self.collate_fn, self.dataset)
            return
        batch = []
        for sample in self.dataset:
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield self.collate_fn(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.collate_fn(batch)

    def _threaded(self, jobs, base_seed):
        from concurrent.futures import ThreadPoolExecutor
        ids = iter(range(self.num_workers))

        def begin():
            i = next(ids)
            _local.info = WorkerInfo(i, self.num_workers, base_seed + i, self.dataset)
            if self.worker_init_fn is not None:
                self.worker_init_fn(i)

        with ThreadPoolExecutor(self.num_workers, initializer=begin) as pool:
            waiting = collections.deque()
            try:
                for job in jobs:
                    waiting.append(pool.submit(job))
                    if len(waiting) >= 2 * self.num_workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for w in waiting:
                    w.cancel()

    def reset(self):
        """next_batch() starts from the beginning."""
        self._current = None

    def next_batch(self):
        """The next batch, None at the end."""
        if self._current is None:
            self._current = iter(self)
        return next(self._current, None)
