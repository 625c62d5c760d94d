#include "platform/json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <set>

#include "platform/encoding.h"
#include "platform/secret.h"

namespace signet {

namespace {

constexpr char kRemedy[] =
    "Correct the request; 'rpc.discover' describes every method's parameters.";

// The member names of one object, for a look at whether one comes twice.
class Names {
 public:
  void Clear() {
    few_.clear();
    many_.clear();
  }
  // False: it is there already.
  bool Insert(std::string name) {
    if (std::find(few_.begin(), few_.end(), name) != few_.end()) return false;
    if (few_.size() == kFew) return many_.insert(std::move(name)).second;
    few_.push_back(std::move(name));
    return true;
  }

 private:
  static constexpr std::size_t kFew = 16;  // as most objects have; a set costs more until then
  std::vector<std::string> few_;
  std::set<std::string> many_;
};

// Builds a value like json::parser and refuses what Boost.JSON 1.81 lets pass: a member name twice
// in one object (last wins there).
class StrictHandler {
 public:
  static constexpr std::size_t max_object_size = 100'000;
  static constexpr std::size_t max_array_size = 100'000;
  static constexpr std::size_t max_key_size = 256;
  static constexpr std::size_t max_string_size = 128u << 20;  // the document's size is the bound

  explicit StrictHandler(json::storage_ptr storage) : stack_(storage) {
    stack_.reset(std::move(storage));
  }

  json::value Release() { return stack_.release(); }
  const std::string& problem() const { return problem_; }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& ec) {
    if (depth_ == names_.size()) names_.emplace_back();
    names_[depth_++].Clear();
    return Count(ec);
  }
  bool on_object_end(std::size_t n, json::error_code&) {
    --depth_;
    stack_.push_object(n);
    return true;
  }
  bool on_array_begin(json::error_code& ec) { return Count(ec); }
  bool on_array_end(std::size_t n, json::error_code&) {
    stack_.push_array(n);
    return true;
  }
  bool on_key_part(json::string_view s, std::size_t, json::error_code&) {
    key_.append(s.data(), s.size());
    stack_.push_chars(s);
    return true;
  }
  bool on_key(json::string_view s, std::size_t, json::error_code& ec) {
    key_.append(s.data(), s.size());
    stack_.push_key(s);
    if (!names_[depth_ - 1].Insert(std::move(key_)))
      return Refuse("a member name stands twice in one object", ec);
    key_.clear();
    return Count(ec);
  }
  bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
    stack_.push_chars(s);
    return true;
  }
  bool on_string(json::string_view s, std::size_t, json::error_code& ec) {
    stack_.push_string(s);
    return Count(ec);
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t i, json::string_view, json::error_code& ec) {
    stack_.push_int64(i);
    return Count(ec);
  }
  bool on_uint64(std::uint64_t u, json::string_view, json::error_code& ec) {
    stack_.push_uint64(u);
    return Count(ec);
  }
  bool on_double(double d, json::string_view, json::error_code& ec) {
    if (!std::isfinite(d)) return Refuse("a number is out of range", ec);
    stack_.push_double(d);
    return Count(ec);
  }
  bool on_bool(bool b, json::error_code& ec) {
    stack_.push_bool(b);
    return Count(ec);
  }
  bool on_null(json::error_code& ec) {
    stack_.push_null();
    return Count(ec);
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  bool Refuse(const char* problem, json::error_code& ec) {
    problem_ = problem;
    ec = json::error::syntax;
    return false;
  }
  // Bounds the decoded size: a small text can name very many nodes.
  bool Count(json::error_code& ec) {
    return ++nodes_ <= 400'000 || Refuse("the document has too many values", ec);
  }

  json::value_stack stack_;
  std::vector<Names> names_;  // of the objects that are open, outermost first
  std::size_t depth_ = 0;
  std::string key_;
  std::string problem_;
  std::size_t nodes_ = 0;
};

Error ParameterError(const std::string& pointer, std::string detail) {
  Error error = MakeError(Kind::kUsage, "PARAMETER_INVALID", std::move(detail), kRemedy);
  error.pointer = pointer;
  return error;
}

}  // namespace

std::string WireName(const char* member) {
  std::string out;
  for (const char* p = member; *p != '\0'; ++p) {
    if (*p == '_' && p[1] == '\0') break;  // `class_` is "class" on the wire
    if (*p == '_') {
      ++p;
      out.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(*p))));
    } else {
      out.push_back(*p);
    }
  }
  return out;
}

namespace {

[[gnu::noinline]] Result<json::value> Parse(std::string_view text, JsonLimits limits,
                                            json::storage_ptr storage) {
  if (text.size() > limits.max_bytes) {
    return MakeError(Kind::kUsage, "JSON_TOO_LARGE",
                     "the document has more than " + std::to_string(limits.max_bytes) + " bytes",
                     kRemedy);
  }
  try {
    json::parse_options options;
    options.max_depth = limits.max_depth;
    json::basic_parser<StrictHandler> parser(options, std::move(storage));
    json::error_code ec;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
    if (!ec && used < text.size()) ec = json::error::extra_data;
    if (!ec && !parser.done()) ec = json::error::incomplete;
    if (ec) {
      const std::string& problem = parser.handler().problem();
      return MakeError(
          Kind::kUsage, "JSON_INVALID",
          (problem.empty() ? ec.message() : problem) + " near byte " + std::to_string(used),
          kRemedy);
    }
    return parser.handler().Release();
  } catch (const std::exception& e) {  // bad_alloc, and what Boost.JSON throws for lengths
    return MakeError(Kind::kUsage, "JSON_INVALID", e.what(), kRemedy);
  }
}

}  // namespace

Result<json::value> ParseJson(std::string_view text, JsonLimits limits, json::storage_ptr storage) {
  auto value = Parse(text, limits, std::move(storage));
  // Boost.JSON decodes strings with escapes on the stack, 4 KiB at a time.
  if (limits.may_hold_secret) WipeStackBelow();
  return value;
}

namespace json_internal {

Error TypeError(const std::string& pointer, std::string_view wanted) {
  return ParameterError(pointer, (pointer.empty() ? std::string("the parameters") : pointer) +
                                     " must be " + std::string(wanted));
}

Error MemberError(const std::string& pointer, std::string_view member, std::string_view problem) {
  const std::string full = pointer + "/" + EscapeLine(member, 64);
  return ParameterError(full, full + " " + std::string(problem));
}

Status ReadString(const json::value& value, const std::string& pointer, std::string& out) {
  if (!value.is_string()) return TypeError(pointer, "a string");
  const std::string_view text(value.get_string().data(), value.get_string().size());
  // Pasted into the wrong field, it would stay behind in memory that nobody wipes.
  if (text.find("PRIVATE KEY-----") != text.npos) {
    Error error = ParameterError(pointer, pointer + " holds a private key, where none belongs");
    error.word = "PRIVATE_KEY_IN_PARAMETER";
    error.remedy = "Treat that key as compromised: it has left its place. Make a new one.";
    return error;
  }
  out.assign(text);
  return Ok();
}

Status ReadWiped(const json::value& value, const std::string& pointer, WipedString& out) {
  if (!value.is_string()) return TypeError(pointer, "a string");
  out.reserve(32);
  out.assign(value.get_string().data(), value.get_string().size());
  return Ok();
}

Status ReadSecret(const json::value& value, const std::string& pointer, Secret& out) {
  if (!value.is_string()) return TypeError(pointer, "a string");
  out = Secret(std::string_view(value.get_string().data(), value.get_string().size()));
  return Ok();
}

Status ReadBool(const json::value& value, const std::string& pointer, bool& out) {
  if (!value.is_bool()) return TypeError(pointer, "true or false");
  out = value.get_bool();
  return Ok();
}

Status ReadInteger(const json::value& value, const std::string& pointer, std::int64_t& out) {
  if (!value.is_int64()) return TypeError(pointer, "an integer of 64 bits");
  out = value.get_int64();
  return Ok();
}

Status ReadTime(const json::value& value, const std::string& pointer, WallTime& out) {
  if (!value.is_string()) return TypeError(pointer, "a time (RFC 3339)");
  auto parsed = ParseTime(std::string_view(value.get_string().data(), value.get_string().size()));
  if (!parsed) return TypeError(pointer, "a time (RFC 3339)");
  out = parsed.value();
  return Ok();
}

}  // namespace json_internal
}  // namespace signet
