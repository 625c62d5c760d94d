// How unit_manager.cc talks to systemd over sd-bus: one connection about one unit, with one
// deadline. For that file alone.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet::units {

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
// Closing does not flush, so it does not block.
using Bus = std::unique_ptr<sd_bus, Deleter<sd_bus_close_unref>>;
using Message = std::unique_ptr<sd_bus_message, Deleter<sd_bus_message_unref>>;
using Slot = std::unique_ptr<sd_bus_slot, Deleter<sd_bus_slot_unref>>;

inline constexpr char kManagerPath[] = "/org/freedesktop/systemd1";
inline constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
inline constexpr char kProperties[] = "org.freedesktop.DBus.Properties";

// `text` with each UNIT replaced.
std::string About(std::string_view text, const std::string& unit);
// kUnavailable BUS_UNAVAILABLE
Error BusUnavailable(const std::string& why);
// kNotFound UNIT_UNKNOWN
Error UnitUnknown(const std::string& unit);

// All calls are asynchronous to sd-bus: its blocking ones authenticate first, for as long as the
// other side likes.
class Conversation {
 public:
  static Result<Conversation> Open(const std::string& address, std::string unit, Duration limit);

  // A call of systemd with arguments as sd_bus_message_append(3) takes them. What it answers
  // instead of a result is an Error with a word of unit_manager.h.
  template <class... Arguments>
  Result<Message> Call(const char* path, const char* interface, const char* member,
                       const char* types, Arguments... arguments) {
    Pending pending;
    sd_bus_slot* slot = nullptr;
    const int code = sd_bus_call_method_async(bus_.get(), &slot, kSystemd, path, interface, member,
                                              &OnReply, &pending, types, arguments...);
    if (code < 0) return Lost(code);
    const Slot ends_before_pending(slot);
    return Reply(pending, member);
  }

  // Calls `callback` with each such signal of the manager from now on, before the reply to any
  // later call: the bus reads in order. `data` outlives this object.
  Status Watch(const char* member, sd_bus_message_handler_t callback, void* data);

  // Dispatches until `done`; false when the deadline came first.
  Result<bool> Await(const bool& done);
  // Whether an Await ended by the deadline.
  bool late() const { return late_; }

 private:
  static constexpr char kSystemd[] = "org.freedesktop.systemd1";
  struct Pending {
    bool done = false;
    Message reply;
  };

  static int OnReply(sd_bus_message* message, void* data, sd_bus_error* unused);
  Result<Message> Reply(Pending& pending, const char* member);

  std::string unit_;
  SteadyTime until_;
  bool late_ = false;
  Bus bus_;

  static Error Lost(int code);  // a negative errno of sd-bus
};

// Properties by name; those of other types than these are left out.
struct Properties {
  std::map<std::string, std::string> texts;      // s; ay in hex
  std::map<std::string, std::uint64_t> numbers;  // t, u, b

  std::string Text(const std::string& name) const;      // empty: absent
  std::uint64_t Number(const std::string& name) const;  // 0: absent
  // Of a number of microseconds since 1970 (CLOCK_REALTIME); 0 is never.
  std::optional<WallTime> Time(const std::string& name) const;
};

// Reads a{sv}.
Result<Properties> ReadProperties(sd_bus_message* message);

}  // namespace signet::units
