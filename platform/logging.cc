#include "platform/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "platform/encoding.h"

namespace signet {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;
constexpr std::size_t kLineLimit = 8192;

// Standard error with a buffer: spdlog's own stderr sink makes a system call for each line.
class BufferedStderr final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    buffer_.append(line.data(), line.size());
    if (buffer_.size() >= kBuffer) flush_();
  }

  void flush_() override {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t wrote = ::write(STDERR_FILENO, rest.data(), rest.size());
      if (wrote < 0 && errno != EINTR) break;  // nobody to tell
      if (wrote > 0) rest.remove_prefix(static_cast<std::size_t>(wrote));
    }
    buffer_.clear();
  }

 private:
  std::string buffer_;
};

// Threads may still log while the program shuts down: a logger once made is never destroyed.
std::atomic<spdlog::logger*> current = nullptr;

void KeepForEver(const std::shared_ptr<spdlog::logger>& logger) {
  static std::mutex mutex;
  static auto* const loggers = new std::vector<std::shared_ptr<spdlog::logger>>();
  const std::lock_guard lock(mutex);
  loggers->push_back(logger);
}

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void InitialiseLogging(std::string_view level) {
  try {
    auto logger = std::make_shared<spdlog::logger>("signet", std::make_shared<BufferedStderr>());
    logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc));
    logger->set_level(level == "debug"     ? spdlog::level::debug
                      : level == "warning" ? spdlog::level::warn
                      : level == "error"   ? spdlog::level::err
                                           : spdlog::level::info);
    logger->flush_on(spdlog::level::warn);
    spdlog::drop("signet");
    spdlog::register_logger(logger);  // flush_every looks at registered loggers
    spdlog::flush_every(std::chrono::seconds(1));
    KeepForEver(logger);
    current.store(logger.get());
  } catch (const std::exception&) {
    // No log is no reason not to serve.
  }
}

void ShutDownLogging() {
  spdlog::logger* const logger = current.exchange(nullptr);
  if (logger == nullptr) return;
  logger->flush();
  spdlog::shutdown();
}

void Log(LogLevel level, std::string_view text) {
  spdlog::logger* const logger = current.load();
  if (logger == nullptr || !logger->should_log(LevelOf(level))) return;
  try {
    const std::string line = EscapeLine(text, kLineLimit);
    logger->log(LevelOf(level), spdlog::string_view_t(line.data(), line.size()));
  } catch (const std::exception&) {
    // Out of memory: the line is lost.
  }
}

}  // namespace signet
