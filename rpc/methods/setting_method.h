// A method that changes settings of the cluster.
#pragma once

#include <string>
#include <utility>

#include "rpc/methods/methods.h"
#include "services/settings.h"

namespace signet::rpc {

// `Request` is one of those that services::ChangeOf reads.
template <class Request, class Proposer>
Method SettingMethod(std::string name, std::string summary, services::Settings& settings,
                     Proposer proposer) {
  return MakePlannedMethod<Request, services::api::Change>(
      {std::move(name), std::move(summary), Access::kAdminister, TokenNeed::kNone, Effect::kChange},
      [&settings](Call call, Request request) {
        return settings.Set(std::move(call.context), std::move(call.operation),
                            services::ChangeOf(request));
      },
      std::move(proposer));
}

template <class Request>
Method SettingMethod(std::string name, std::string summary, services::Settings& settings) {
  return SettingMethod<Request>(std::move(name), std::move(summary), settings,
                                [&settings](Call, Request request) {
                                  return AtOnce(settings.ProposeSet(services::ChangeOf(request)));
                                });
}

}  // namespace signet::rpc
