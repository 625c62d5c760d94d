// systemd's descriptor store, played: a socket for notifications that keeps what it is given, and a
// start of a program with all of it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace signet::testing {

class FdStore {
 public:
  explicit FdStore(const std::string& path);  // NOTIFY_SOCKET
  ~FdStore();
  FdStore(const FdStore&) = delete;
  FdStore& operator=(const FdStore&) = delete;

  // Everything that was sent by now has arrived when this returns.
  void Settle() const;
  std::size_t Count(const std::string& prefix) const;  // of descriptors whose name begins so
  bool ready() const { return ready_; }
  // Starts a program with LISTEN_FDS and what belongs to it; its output goes to these files.
  pid_t Start(const std::vector<std::string>& command, const std::string& out,
              const std::string& log) const;

 private:
  void Run();
  void Take(const std::string& text, const std::vector<int>& descriptors);
  static bool SameFile(int one, int other);

  const std::string path_;
  int socket_ = -1;
  std::atomic<bool> stop_{false}, ready_{false};
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, int>> kept_;
  std::thread thread_;
};

}  // namespace signet::testing
