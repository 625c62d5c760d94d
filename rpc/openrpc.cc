#include "rpc/openrpc.h"

#include "services/api.h"

namespace signet::rpc {

namespace asio = boost::asio;

namespace {

std::string_view EffectName(Effect effect) {
  switch (effect) {
    case Effect::kRead:
      return "read";
    case Effect::kUse:
      return "use";
    case Effect::kChange:
      break;
  }
  return "change";
}

json::array ParamsOf(const json::value& schema) {
  json::array params;
  const json::object& object = schema.as_object();
  const json::value* properties = object.if_contains("properties");
  if (properties == nullptr) return params;
  const json::value* required = object.if_contains("required");
  for (const auto& [name, property] : properties->as_object()) {
    bool needed = false;
    if (required != nullptr) {
      for (const json::value& word : required->as_array())
        needed = needed || word.as_string() == name;
    }
    json::object param;
    param["name"] = name;
    param["required"] = needed;
    param["schema"] = property;
    params.push_back(std::move(param));
  }
  return params;
}

json::value Describe(const Method& method) {
  json::array roles;
  for (const Role role :
       {Role::kMetrics, Role::kService, Role::kAuditor, Role::kOperator, Role::kAdministrator}) {
    if (Allows(method.access, role)) roles.emplace_back(services::RoleName(role));
  }
  json::object result;
  result["name"] = "result";
  result["schema"] = method.output_schema();
  json::object out;
  out["name"] = method.name;
  out["summary"] = method.summary;
  out["paramStructure"] = "by-name";
  out["params"] = ParamsOf(method.input_schema());
  out["result"] = std::move(result);
  out["x-roles"] = std::move(roles);
  out["x-effect"] = EffectName(method.effect);
  out["x-token"] = method.token == TokenNeed::kOperational ? "operational" : "none";
  out["x-local-only"] = method.local_only;
  return out;
}

}  // namespace

json::value OpenRpcDocument(const MethodTable& methods, Role role) {
  json::array list;
  for (const Method& method : methods.all()) {
    if (Allows(method.access, role)) list.push_back(Describe(method));
  }
  json::object info;
  info["title"] = "Signet";
  info["version"] = SIGNET_VERSION;
  info["description"] = "Certificates, keys and trust stores of an appliance";
  json::object document;
  document["openrpc"] = "1.2.6";
  document["info"] = std::move(info);
  document["methods"] = std::move(list);
  return document;
}

void AddDiscovery(MethodTable& methods) {
  MethodRow row;
  row.name = "rpc.discover";
  row.summary = "Describes the methods that the caller's role may use, as an OpenRPC document.";
  row.access = Access::kEveryone;
  methods.Add(MakeMethod<services::api::Empty, json::value>(
      std::move(row),
      [table = &methods](Call call, services::api::Empty) -> asio::awaitable<Result<json::value>> {
        co_return OpenRpcDocument(*table, call.context.role);
      }));
}

}  // namespace signet::rpc
