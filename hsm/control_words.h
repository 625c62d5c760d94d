// What signetd and signet-keyd say to one another beside PKCS#11, on the management socket: a
// method and octets there, a JSON document back: {"result": …} or {"error": …}. Types only.
#pragma once

#include <boost/describe.hpp>
#include <string>
#include <vector>

#include "hsm/key_view.h"
#include "hsm/token_control.h"
#include "platform/json.h"

namespace signet::hsm::control {

inline constexpr char kState[] = "state";    // StateAnswer
inline constexpr char kUse[] = "use";        // UseReport
inline constexpr char kShow[] = "show";      // octets: KeyView as JSON
inline constexpr char kUnlock[] = "unlock";  // octets: the PIN
inline constexpr char kLock[] = "lock";
inline constexpr char kSelfTest[] = "self-test";  // SelfTestRow[]

struct StateAnswer {
  std::int64_t state = 0;  // TokenState
  std::string reason, label, manufacturer, model, serial, library;
  std::int64_t failed_logins = 0, next_login_in_s = 0;
  std::string instance;         // of the process: another one after each start, also by exec
  std::int64_t generation = 0;  // of the token's handles
  std::string view;             // SHA-256 of the view's document, hex; empty: none yet
  std::int64_t connections = 0;
};
BOOST_DESCRIBE_STRUCT(StateAnswer, (),
                      (state, reason, label, manufacturer, model, serial, library, failed_logins,
                       next_login_in_s, instance, generation, view, connections))

struct SelfTestRow {
  std::string name;
  bool passed = false;
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(SelfTestRow, (), (name, passed, detail))

struct ErrorAnswer {
  std::string kind, word, detail, remedy;
};
BOOST_DESCRIBE_STRUCT(ErrorAnswer, (), (kind, word, detail, remedy))

}  // namespace signet::hsm::control
