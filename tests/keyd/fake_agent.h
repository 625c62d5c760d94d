// What AgentConnection needs of its process, without a process: keys of a view that sign with
// octets of the right number, and a token that is not there.
#pragma once

#include <string>
#include <vector>

#include "hsm/keyd/connection.h"
#include "hsm/module.h"
#include "hsm/pkcs11_token.h"
#include "hsm/raw_signing.h"
#include "hsm/softhsm.h"
#include "hsm/token_link.h"
#include "platform/files.h"

namespace signet::testing {

class FakeAgent final : public hsm::AgentBackend, private hsm::LinkObserver {
 public:
  // `module` is loaded and never asked for a token.
  FakeAgent(std::shared_ptr<const hsm::VirtualObjects> view, std::unique_ptr<hsm::Module> module)
      : view_(std::move(view)),
        module_(std::move(module)),
        link_(*module_, hsm::TokenUri::Parse("pkcs11:token=none").value(), *this),
        durability_("", *files_),
        token_(link_, durability_),
        objects_(link_, token_, durability_) {}

  hsm::TokenInfo description;
  std::string credential = "the manager's word";
  std::size_t used = 0;  // signatures on their way

  std::shared_ptr<const hsm::VirtualObjects> View() override { return view_; }
  hsm::TokenInfo Description() override { return description; }
  std::vector<CK_MECHANISM_TYPE> Mechanisms() override {
    std::vector<CK_MECHANISM_TYPE> all;
    for (const hsm::RawMechanism& row : hsm::RawMechanisms()) all.push_back(row.type);
    return all;
  }
  CK_RV Ready() override { return CKR_OK; }
  Result<std::string> Sign(const hsm::KeyId& key, const hsm::wire::Mechanism&,
                           std::string_view) override {
    for (const hsm::VirtualKey& known : view_->keys) {
      if (known.id == key) return std::string(hsm::RawSignatureSize(known.spec), 's');
    }
    return MakeError(Kind::kNotFound, "KEY_NOT_FOUND", "");
  }
  void CountUse(const std::string&, const hsm::KeyId&, uid_t, CK_MECHANISM_TYPE) override {
    ++used;
  }
  void CountUndelivered() override {}
  void ReportHang() override {}
  void Tick() override {}
  hsm::TokenObjects& Objects() override { return objects_; }
  Result<hsm::KeySpec> KeySpecOf(const hsm::KeyId&) override { return hsm::KeySpec{}; }
  bool IsManager(std::string_view given) override { return given == credential; }
  std::string Control(std::string_view method, std::string_view) override {
    return "{\"result\":\"" + std::to_string(method.size()) + "\"}";
  }

 private:
  void OnLost(const Error&) override {}
  void OnPinRefused(const Error&) override {}
  void OnRecovered() override {}

  const std::shared_ptr<const hsm::VirtualObjects> view_;
  const std::unique_ptr<hsm::Module> module_;
  const std::unique_ptr<FileSystem> files_ = MakeFileSystem();
  hsm::TokenLink link_;
  hsm::Durability durability_;
  hsm::Pkcs11Token token_;
  hsm::TokenObjects objects_;
};

// The user that runs signet-keyd: sees every key.
inline hsm::AgentGrant GrantOfEverything() {
  static const hsm::AgentAccess access({}, 0);
  return access.Decide({});
}

// Feeds octets to a connection and runs what it asks for; its answers, and whether it broke off.
struct Served {
  std::string output;
  bool broken = false;
};
inline Served Feed(hsm::AgentConnection& connection, WipedString& pending,
                   std::string_view octets) {
  using Step = hsm::AgentConnection::Step;
  pending.append(octets);
  Served served;
  while (true) {
    Step step = connection.Next(pending);
    if (step.kind == Step::Kind::kNothing) return served;
    if (step.kind == Step::Kind::kBroken) {
      served.broken = true;
      return served;
    }
    served.output +=
        step.kind == Step::Kind::kReply ? step.output : connection.Finish(step.job(), false);
  }
}

}  // namespace signet::testing
