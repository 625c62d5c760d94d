// Structs to JSON and back over Boost.Describe. Member names are snake_case in C++ and camelCase on
// the wire. Reading is strict: unknown members, missing members and wrong types are refused with a
// JSON pointer (RFC 6901).
#pragma once

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11/algorithm.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"
#include "platform/secret.h"

namespace signet {

namespace json = boost::json;

// "not_before" -> "notBefore"; a trailing underscore (for C++ keywords) is dropped.
std::string WireName(const char* member);

struct JsonLimits {
  std::size_t max_bytes = 4u << 20;
  std::size_t max_depth = 32;
  bool may_hold_secret = true;  // then no trace of the text stays on the stack
};
// Parses one document: strict RFC 8259, valid UTF-8, duplicate member names refused (kUsage
// JSON_INVALID), depth bounded.
Result<json::value> ParseJson(std::string_view text, JsonLimits limits = {},
                              json::storage_ptr storage = {});

// Base of structs that read leniently: members that are absent keep their default. Derive records
// of the state from it, so that a field can be added without a migration; parameters of requests
// name optional members std::optional instead.
struct LenientRecord {};
BOOST_DESCRIBE_STRUCT(LenientRecord, (), ())

namespace json_internal {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
using Members = boost::describe::describe_members<T, boost::describe::mod_public |
                                                         boost::describe::mod_inherited>;

Error TypeError(const std::string& pointer, std::string_view wanted);
Error MemberError(const std::string& pointer, std::string_view member, std::string_view problem);
Status ReadString(const json::value& value, const std::string& pointer, std::string& out);
Status ReadWiped(const json::value& value, const std::string& pointer, WipedString& out);
Status ReadSecret(const json::value& value, const std::string& pointer, Secret& out);
Status ReadBool(const json::value& value, const std::string& pointer, bool& out);
Status ReadInteger(const json::value& value, const std::string& pointer, std::int64_t& out);
Status ReadTime(const json::value& value, const std::string& pointer, WallTime& out);

template <class T>
Status Read(const json::value& value, const std::string& pointer, T& out) {
  if constexpr (std::is_same_v<T, std::string>) {
    return ReadString(value, pointer, out);
  } else if constexpr (std::is_same_v<T, WipedString>) {
    return ReadWiped(value, pointer, out);
  } else if constexpr (std::is_same_v<T, Secret>) {
    return ReadSecret(value, pointer, out);
  } else if constexpr (std::is_same_v<T, bool>) {
    return ReadBool(value, pointer, out);
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return ReadInteger(value, pointer, out);
  } else if constexpr (std::is_same_v<T, WallTime>) {
    return ReadTime(value, pointer, out);
  } else if constexpr (std::is_same_v<T, json::value>) {
    out = value;
    return Ok();
  } else if constexpr (IsOptional<T>::value) {
    if (value.is_null()) {
      out.reset();
      return Ok();
    }
    return Read(value, pointer, out.emplace());
  } else if constexpr (IsVector<T>::value) {
    if (!value.is_array()) return TypeError(pointer, "an array");
    const json::array& array = value.get_array();
    out.clear();
    out.reserve(array.size());
    for (std::size_t i = 0; i < array.size(); ++i) {
      SIGNET_TRY(Read(array[i], pointer + "/" + std::to_string(i), out.emplace_back()));
    }
    return Ok();
  } else {
    if (!value.is_object()) return TypeError(pointer, "an object");
    const json::object& object = value.get_object();
    std::size_t known = 0;
    Status status = Ok();
    boost::mp11::mp_for_each<Members<T>>([&](auto d) {
      if (!status) return;
      auto& member = out.*d.pointer;
      using M = std::remove_reference_t<decltype(member)>;
      static const std::string name = WireName(d.name);
      const json::value* found = object.if_contains(name);
      if (found != nullptr) {
        ++known;
        status = Read(*found, pointer + "/" + name, member);
      } else if constexpr (!IsOptional<M>::value && !std::is_base_of_v<LenientRecord, T>) {
        status = MemberError(pointer, name, "is missing");
      }
    });
    if (!status) return status;
    if constexpr (!std::is_base_of_v<LenientRecord, T>) {
      if (known != object.size()) {
        for (const auto& entry : object) {
          const auto key = entry.key();  // clang 14 captures no structured binding
          bool is_known = false;
          boost::mp11::mp_for_each<Members<T>>(
              [&](auto d) { is_known = is_known || WireName(d.name) == key; });
          if (!is_known) return MemberError(pointer, key, "is not known here");
        }
      }
    }
    return Ok();
  }
}

}  // namespace json_internal

// kUsage PARAMETER_INVALID with `pointer` set.
template <class T>
Result<T> FromJson(const json::value& value) {
  T out{};
  SIGNET_TRY(json_internal::Read(value, "", out));
  return out;
}

template <class T>
json::value ToJson(const T& value) {
  using json_internal::IsOptional;
  using json_internal::IsVector;
  if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, bool> ||
                std::is_same_v<T, std::int64_t>) {
    return json::value(value);
  } else if constexpr (std::is_same_v<T, json::value>) {
    return value;
  } else if constexpr (std::is_same_v<T, WallTime>) {
    return json::value(FormatTime(value));
  } else if constexpr (std::is_same_v<T, Finding>) {
    return {{"severity", SeverityName(value.severity)},
            {"id", value.id},
            {"text", value.text},
            {"certificate", value.certificate}};
  } else if constexpr (IsOptional<T>::value) {
    return value ? ToJson(*value) : json::value(nullptr);
  } else if constexpr (IsVector<T>::value) {
    json::array array;
    array.reserve(value.size());
    for (const auto& item : value) array.push_back(ToJson(item));
    return array;
  } else {
    json::object object;
    boost::mp11::mp_for_each<json_internal::Members<T>>([&](auto d) {
      static const std::string name = WireName(d.name);
      object.emplace(name, ToJson(value.*d.pointer));
    });
    return object;
  }
}

// JSON Schema (draft 7) of what FromJson reads and ToJson writes.
template <class T>
json::value JsonSchema() {
  using json_internal::IsOptional;
  using json_internal::IsVector;
  if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, WipedString> ||
                std::is_same_v<T, Secret>) {
    return {{"type", "string"}};
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return {{"type", "integer"}};
  } else if constexpr (std::is_same_v<T, WallTime>) {
    return {{"type", "string"}, {"format", "date-time"}};
  } else if constexpr (std::is_same_v<T, json::value>) {
    return json::object{};
  } else if constexpr (std::is_same_v<T, Finding>) {
    const json::value text = {{"type", "string"}};
    return {{"type", "object"},
            {"properties",
             {{"severity", {{"enum", {"error", "warning", "info"}}}},
              {"id", text},
              {"text", text},
              {"certificate", text}}}};
  } else if constexpr (IsOptional<T>::value) {
    json::value inner = JsonSchema<typename T::value_type>();
    return {{"anyOf", json::array{std::move(inner), json::object{{"type", "null"}}}}};
  } else if constexpr (IsVector<T>::value) {
    return json::object{{"type", "array"}, {"items", JsonSchema<typename T::value_type>()}};
  } else {
    json::object properties;
    json::array required;
    boost::mp11::mp_for_each<json_internal::Members<T>>([&](auto d) {
      using M = std::remove_reference_t<decltype(std::declval<T&>().*d.pointer)>;
      const std::string name = WireName(d.name);
      properties.emplace(name, JsonSchema<M>());
      if constexpr (!IsOptional<M>::value) required.emplace_back(json::string(name));
    });
    return json::object{{"type", "object"},
                        {"properties", std::move(properties)},
                        {"required", std::move(required)},
                        {"additionalProperties", false}};
  }
}

}  // namespace signet
