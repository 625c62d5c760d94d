// The sessions of one listener: their deadlines, their end, and how many there may be.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>

#include "platform/clock.h"

namespace signet::rpc {

// What the registry may do with a session. On the listener's thread.
class Session {
 public:
  virtual ~Session() = default;
  // Ends it when its deadline is over.
  virtual void Tick(SteadyTime now) = 0;
  // Ends it now when it waits for a request, else after the answer that is being made.
  virtual void Drain() = 0;
  virtual void Abort() = 0;
  virtual bool in_handshake() const = 0;
};

// Counts connections by peer. Thread-safe; slots may die on any thread.
class ConnectionCaps {
 public:
  ConnectionCaps(std::size_t total, std::size_t per_peer, std::size_t reserve);

  // A place for `peer`, given back when it dies; null when there is none. `privileged` peers may
  // use the reserve.
  std::shared_ptr<void> Take(const std::string& peer, bool privileged);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

// One timer for all sessions instead of one for each operation; it stands still while there are
// none. All on the listener's thread.
class SessionRegistry : public std::enable_shared_from_this<SessionRegistry> {
 public:
  SessionRegistry(boost::asio::io_context& context, Duration sweep);

  void Add(Session* session);
  void Remove(Session* session) { count_ -= sessions_.erase(session); }
  void DrainAll();
  void AbortAll();
  std::size_t size() const { return count_; }  // any thread
  // The one place for a request with a large body, until it is answered; null when it is taken.
  std::shared_ptr<void> TakeLargeBody();
  bool draining() const { return draining_; }
  SteadyTime now() const { return now_; }            // as coarse as the sweep
  const std::string& date() const { return date_; }  // of the Date field, RFC 9110 5.6.7

 private:
  void Refresh();
  void Schedule();

  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>,
                                    boost::asio::io_context::executor_type>
      timer_;
  Duration sweep_;
  std::unordered_set<Session*> sessions_;
  std::atomic<std::size_t> count_{0};
  ConnectionCaps large_bodies_{1, 1, 0};
  SteadyTime now_;
  std::time_t second_ = 0;
  std::string date_;
  bool running_ = false, draining_ = false;
};

}  // namespace signet::rpc
