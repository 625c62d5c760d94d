// The token and its keys: the administrator's view (token.*, key.*).
#pragma once

#include <boost/asio/awaitable.hpp>

#include "hsm/token_control.h"
#include "keystore/identities.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/request_context.h"

namespace signet::services {

// Signatures run on the lane of the token's sessions, everything else that touches the token on the
// lane of its changes.
class Keys {
 public:
  Keys(hsm::TokenControl& token, keystore::Identities& identities, Lane& sign, Lane& changes)
      : token_(token), identities_(identities), sign_(sign), changes_(changes) {}

  api::TokenStatus Status() const;  // never touches the token
  boost::asio::awaitable<Result<api::Change>> Unlock(RequestContext context,
                                                     std::shared_ptr<keystore::Operation> operation,
                                                     api::UnlockRequest request);
  boost::asio::awaitable<Result<api::SelfTestAnswer>> SelfTest(RequestContext context);
  boost::asio::awaitable<Result<api::Page<api::KeyInfo>>> List(RequestContext context,
                                                               api::PageRequest request);
  boost::asio::awaitable<Result<api::SignAnswer>> Sign(RequestContext context,
                                                       api::SignRequest request);

 private:
  hsm::TokenControl& token_;
  keystore::Identities& identities_;
  Lane& sign_;
  Lane& changes_;
};

// Wire word of a state: unprovisioned | locked | operational | failed.
std::string_view TokenStateName(hsm::TokenState state);

}  // namespace signet::services
