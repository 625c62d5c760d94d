// What the benches share: a scratch folder, child programs ended by their own pid, an HTTP client
// over Unix sockets that costs little, a token of the bench's own, and medians of interleaved
// rounds. Failures end the bench with a message: nobody depends on it.
#pragma once

#include <p11-kit/pkcs11.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/key_types.h"
#include "hsm/module.h"
#include "hsm/session.h"
#include "platform/error.h"
#include "platform/json.h"

namespace signet::tools::bench {

using Seconds = std::chrono::duration<double>;

[[noreturn]] void Die(const std::string& problem);

template <class T>
T Must(Result<T> result) {
  if (!result) Die(result.error().ToString());
  return std::move(result).value();
}
inline void Must(const Status& status) {
  if (!status) Die(status.error().ToString());
}

// --rounds N --seconds S (of each measurement); --large and --certs FOLDER of bench_trust.
struct Options {
  int rounds = 7;
  double seconds = 1.0;
  bool large = false;
  std::string certs = {};  // where certificates that were made before are, and are kept
};
Options ReadOptions(int argc, char** argv, Options options = {});

double SecondsOf(const std::function<void()>& work);
// q of the sorted samples: 0.5 is the median.
double Quantile(std::vector<double> samples, double q);
inline double Median(std::vector<double> samples) { return Quantile(std::move(samples), 0.5); }

// Prints what the machine is and how busy it was: figures of a busy machine prove nothing.
void PrintMachine();

// "VmRSS:" or "RssAnon:" of a process, in MB.
double Memory(pid_t pid, const std::string& name);

class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A program beside this one or on PATH. SIGTERM and a wait in the destructor.
class Program {
 public:
  // Standard output goes to a pipe, standard error to `log`.
  Program(std::vector<std::string> arguments, const std::string& log);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  std::string ReadLine();  // of its standard output
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

// One connection, kept alive: writes a request, reads the answer. Blocking.
class Connection {
 public:
  explicit Connection(const std::string& socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  Connection(Connection&& other) noexcept;

  void Send(std::string_view request);
  // One read; true when the answer is whole. Anything but 200 ends the bench.
  bool Receive();
  // Send and Receive; the body, valid until the next call.
  std::string_view Ask(std::string_view request);
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  std::string buffer_;
  std::size_t filled_ = 0, body_ = 0, length_ = 0;
};

std::string GetRequest(std::string_view path);
std::string RpcRequest(std::string_view method, const json::object& params);
// The member `result`; an error ends the bench.
json::value Call(Connection& connection, std::string_view method, const json::object& params);

// Answers a second with `in_flight` connections of one thread, each with one request at a time.
double Rate(const std::string& socket, const std::string& request, int in_flight, double seconds);

// signetd --dev in `folder`, waited for until its ready line.
class Daemon {
 public:
  explicit Daemon(std::string folder);
  const std::string& socket() const { return socket_; }
  pid_t pid() const { return program_.pid(); }
  double start_seconds() const { return start_seconds_; }  // exec to ready line
  void WaitUntilReady() const;                             // the first boot is done

 private:
  std::string folder_, socket_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  Program program_;
  double start_seconds_ = 0;
};

inline constexpr char kBenchLabel[] = "bench";
inline constexpr char kBenchPin[] = "bench-pin";

// A SoftHSM token of the same kind as signetd's, used by PKCS#11 without anything between.
class DirectToken {
 public:
  explicit DirectToken(const std::string& folder);
  hsm::Session Open();
  // With the attributes that signetd gives a key; a token object.
  CK_OBJECT_HANDLE Generate(hsm::Session& session, const hsm::KeySpec& spec,
                            const std::string& label);
  void DestroyLabelled(hsm::Session& session, const std::string& label);
  // C_SignInit and C_Sign of a SHA-256 digest on `threads` threads, signatures a second.
  double SignRate(CK_OBJECT_HANDLE key, const hsm::KeySpec& spec, int threads, double seconds);

 private:
  std::unique_ptr<hsm::Module> module_;
  std::unique_ptr<hsm::SessionPool> sessions_;
};

}  // namespace signet::tools::bench
