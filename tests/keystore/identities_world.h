// Identities over a SoftHSM token (by way of the module that fails by plan) and a real store.
#pragma once

#include <gmock/gmock.h>

#include <cstdio>

#include "hsm/token.h"
#include "keystore/identities.h"
#include "keystore/trust.h"
#include "tests/keystore/open_store.h"
#include "tests/support/fault_plan.h"
#include "tests/support/soft_token.h"
#include "tests/support/test_ca.h"

namespace signet::keystore {

class IdentitiesWorld : public ::testing::Test {
 protected:
  IdentitiesWorld() : token(SIGNET_FAULTY_P11), plan(token.soft.dir()) {
    token.Open();
    names.cluster = "blue";
    names.node = "imp1.example.com";
    names.domain = "example.com";
    names.nodes = {names.node};
    Restart();
  }
  // A new process over the same state and token.
  void Restart() {
    identities.reset();
    committer.reset();
    state.reset();
    state = State::Open(store.lossy, store.layout).value();
    committer = std::make_unique<Committer>(*state, *token.clock);
    identities = std::make_unique<Identities>(catalogue, names, *state, *committer, token.token(),
                                              *token.clock);
  }

  Operation Next() {
    char id[25];
    std::snprintf(id, sizeof id, "%024d", ++operations);
    Operation operation;
    operation.id = id;
    return operation;
  }
  static IdentityRequest Of(const std::string& purpose) {
    IdentityRequest request;
    request.purpose = purpose;
    return request;
  }
  ChangeResult Done(Result<ChangeResult> result) {
    EXPECT_TRUE(result) << result.error().ToString();
    return result ? std::move(result).value() : ChangeResult{};
  }
  ChangeResult SelfSigned(const std::string& purpose = "cup-ECDSA") {
    Operation operation = Next();
    return Done(identities->GenerateSelfSigned(operation, Of(purpose)));
  }
  ChangeResult Csr(const std::string& purpose = "cup-ECDSA") {
    Operation operation = Next();
    return Done(identities->GenerateCsr(operation, Of(purpose)));
  }
  std::string CurrentKey(const std::string& purpose = "cup-ECDSA") {
    const auto snapshot = state->Now();
    const IdentityVersion* current = snapshot->Current(purpose);
    return current == nullptr ? "" : current->key.id;
  }
  std::vector<std::string> TokenKeys() {
    std::vector<std::string> ids;
    auto keys = token.token().List();
    EXPECT_TRUE(keys) << keys.error().ToString();
    for (const hsm::TokenKey& key : keys.value()) ids.push_back(key.id);
    return ids;
  }
  // No key without its owner, no identity without its key.
  void ExpectConsistent() {
    std::vector<std::string> owned;
    for (const auto& [id, key] : state->Now()->Keys()) owned.push_back(id);
    EXPECT_THAT(TokenKeys(), ::testing::UnorderedElementsAreArray(owned));
  }

  OpenStore store;
  signet::testing::OpenToken token;
  signet::testing::FaultPlanFile plan;
  Catalogue catalogue = LoadCatalogue("imp").value();
  NodeNames names;
  std::unique_ptr<State> state;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Identities> identities;
  int operations = 0;
};

}  // namespace signet::keystore
