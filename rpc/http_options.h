// Bounds of the HTTP side. Types only.
#pragma once

#include <string>
#include <vector>

#include "platform/clock.h"
#include "rpc/http_reader.h"

namespace signet::rpc {

struct HttpOptions {
  HttpLimits limits;
  Duration handshake = std::chrono::seconds(15);
  Duration header = std::chrono::seconds(15);
  Duration body = std::chrono::seconds(15);
  std::uint64_t slowest_body = 1u << 20;  // octets a second, of a large one
  Duration write = std::chrono::seconds(30);
  Duration idle = std::chrono::seconds(75);  // between two requests
  Duration linger = std::chrono::seconds(2);
  Duration sweep = std::chrono::milliseconds(250);  // deadlines are this coarse
  Duration request = std::chrono::seconds(60);      // how long a caller waits for a method
  Duration heartbeat = std::chrono::seconds(15);    // of a stream of events
  bool access_log = false;                          // a debug line for each request
};

}  // namespace signet::rpc
