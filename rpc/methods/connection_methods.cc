#include "rpc/methods/methods.h"
#include "rpc/methods/setting_method.h"
#include "services/connections/connections.h"

namespace signet::rpc {

namespace api = services::api;

void AddConnectionMethods(MethodTable& table, services::Connections& connections,
                          services::Settings& settings) {
  table.Add(MakeMethod<api::PageRequest, api::Page<api::ConnectionInfo>>(
      {"connection.list", "Long-lived connections: those registered and those probed.",
       Access::kRead},
      [&connections](Call, api::PageRequest request) {
        return AtOnce(connections.List(request));
      }));
  table.Add(MakeMethod<api::ConnectionRegisterRequest, api::ConnectionRegistered>(
      {"connection.register",
       "Registers a long-lived connection with its peer's chain, to be checked again and again.",
       Access::kConnect, TokenNeed::kNone, Effect::kChange},
      [&connections](Call call, api::ConnectionRegisterRequest request) {
        return connections.Register(std::move(call.context), std::move(call.operation),
                                    std::move(request));
      }));
  table.Add(MakeMethod<api::IdRequest, api::Change>(
      {"connection.remove", "Forgets a connection that is over.", Access::kConnect,
       TokenNeed::kNone, Effect::kChange},
      [&connections](Call call, api::IdRequest request) {
        return connections.Remove(std::move(call.context), std::move(call.operation),
                                  std::move(request));
      }));
  table.Add(MakeMethod<api::Empty, api::ConnectionCheck>(
      {"connection.check", "Checks all connections now, and closes those that fail.",
       Access::kOperate, TokenNeed::kNone, Effect::kChange},
      [&connections](Call call, api::Empty) {
        return connections.Check(std::move(call.context), std::move(call.operation));
      }));
  table.Add(SettingMethod<api::ConnectionSetRequest>(
      "connection.set", "Changes whether and how often connections are checked.", settings));
}

}  // namespace signet::rpc
