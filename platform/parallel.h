// One piece of work for many equal things, on all processors. For what only computes: whoever waits
// for something uses a lane.
#pragma once

#include <cstddef>
#include <functional>

namespace signet {

// Calls work(0) … work(count - 1), each once and in no order, on as many threads as there are
// processors, the caller's among them; returns when all are done. The threads take `batch` at a
// time (at least 1), so that what is over sooner than a thread is made stays on the caller's.
// `work` must not throw, and two calls of it must not touch the same thing.
void ParallelFor(std::size_t count, std::size_t batch,
                 const std::function<void(std::size_t)>& work);

}  // namespace signet
