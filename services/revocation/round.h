// The questions of one AskAll on the threads of a lane. For this folder only.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "platform/lanes.h"
#include "services/revocation/inquiry.h"

namespace signet::services {

// Who is asked now and who waits, of all rounds of a source.
struct Traffic {
  struct Load {
    std::size_t waiting = 0, running = 0;
  };
  // With the mutex. Whether one more may go there: all threads for a place that is alone, half of
  // them while there are others, so that a slow one leaves room.
  bool MayStart(const std::string& place, std::size_t threads) const;
  void Leave(const std::string& place);  // drops the row once nothing waits or runs

  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Load> places;
  std::size_t running = 0;
};

class Round : public std::enable_shared_from_this<Round> {
 public:
  Round(std::shared_ptr<Traffic> traffic, Lane& lane,
        std::vector<std::unique_ptr<Inquiry>> inquiries);
  // Blocks until each has its answer.
  void Run();
  const std::vector<std::unique_ptr<Inquiry>>& inquiries() const { return inquiries_; }

 private:
  class Ticket;
  void Enter(std::size_t index);
  std::shared_ptr<Ticket> Start();
  bool Post(const std::shared_ptr<Ticket>& ticket);
  void Drop();

  const std::shared_ptr<Traffic> traffic_;
  Lane& lane_;
  std::vector<std::unique_ptr<Inquiry>> inquiries_;
  // With the traffic's mutex.
  std::map<std::string, std::deque<std::size_t>> waiting_;
  std::size_t open_ = 0;
  std::size_t running_ = 0;
};

}  // namespace signet::services
