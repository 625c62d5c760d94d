// The gatekeeper of private keys: identities, CSRs and their keys on the token, always consistent.
// Invariant: no key without its owner, no identity without its key.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/committer.h"
#include "keystore/node.h"
#include "keystore/operation.h"
#include "keystore/plan_key.h"
#include "keystore/plan_rollback.h"
#include "keystore/plan_upload.h"
#include "keystore/snapshot.h"
#include "keystore/x509/builder.h"
#include "platform/clock.h"

struct evp_pkey_st;

namespace signet::hsm {
class Token;
}

namespace signet::keystore {

class TrustWriter;

// What the daemon's own TLS listener presents.
struct TlsMaterial {
  std::vector<std::string> chain;    // DER, leaf first, without the anchor
  std::shared_ptr<evp_pkey_st> key;  // on the token
};

struct KeyRow {
  std::string id, label, spec, policy, owner;
  bool on_token = false;
};

struct SignRequest {
  std::string purpose;
  std::optional<std::string>
      algorithm;  // rsa-pkcs1 (default of RSA keys), rsa-pss, ecdsa (default of EC keys)
  std::optional<std::string> hash;  // default sha256
  std::string input;                // octets: a message, hashed here, or its digest
  bool is_digest = false;
};
struct Signature {
  std::string key, algorithm, hash;
  std::string bytes;  // ECDSA: ECDSA-Sig-Value (DER)
};

// Blocking. Changes (those that take an Operation, and Recover) run one at a time on the lane of
// token changes; the others on any thread.
class Identities {
 public:
  Identities(const Catalogue& catalogue, const NodeNames& names, State& state, Committer& committer,
             hsm::Token& token, const Clock& clock);

  // Called at the end of each change of a purpose's current identity, on the thread that changed
  // it. Register before changes begin.
  void OnInstalled(std::function<void(const Purpose&)> callback) {
    installed_ = std::move(callback);
  }

  // Each changes the token and the store, or neither. Errors of the plan (plan.h), the token and
  // the store.
  Result<ChangeResult> GenerateSelfSigned(Operation& operation, const IdentityRequest& request);
  Result<ChangeResult> GenerateCsr(Operation& operation, const IdentityRequest& request);
  // `wanted` is the hash of the plan to carry out (PLAN_STALE when it is another one), here and
  // below; a request for a key has it among its fields.
  // PlanRegeneration: all of them or none.
  Result<ChangeResult> Regenerate(Operation& operation, const std::vector<std::string>& purposes,
                                  const std::optional<std::string>& wanted);
  Result<ChangeResult> Upload(Operation& operation, const UploadRequest& request,
                              const std::optional<std::string>& wanted);
  Result<ChangeResult> Rollback(Operation& operation, const std::string& purpose,
                                const Overrides& overrides,
                                const std::optional<std::string>& wanted);
  // Former certificates whose days are over, and their keys. Unchanged when there are none.
  Result<ChangeResult> Retire(Operation& operation);
  Result<ChangeResult> DiscardCsr(Operation& operation, const std::string& id);

  // What the planners may see now.
  PlanInput Input() const;
  // What each would do now. Any thread.
  Result<PlanReport> ProposeSelfSigned(const IdentityRequest& request) const;
  Result<PlanReport> ProposeCsr(const IdentityRequest& request) const;
  Result<PlanReport> ProposeRegeneration(const std::vector<std::string>& purposes) const;
  Result<PlanReport> ProposeUpload(const UploadRequest& request) const;
  Result<PlanReport> ProposeRollback(const std::string& purpose, const Overrides& overrides) const;

  // Ends an operation that a crash interrupted: committed ones are finished (their keys whose time
  // is over destroyed), others are undone (the key that carries the operation's id in its label
  // destroyed, unless a record owns it).
  struct Recovered {
    bool committed = false;
    std::string detail;
    std::optional<std::string> result;  // JSON of the answer, of a committed one
  };
  Result<Recovered> Recover(const std::string& operation);

  // With the purpose's current key. kNotFound NO_IDENTITY, kRefused SCHEME_DOES_NOT_FIT,
  // DIGEST_LENGTH.
  Result<Signature> Sign(const SignRequest& request);
  // Every key on the token and every key that a record names, with its owner or "none: …".
  Result<std::vector<KeyRow>> Keys();
  // kNotFound NO_IDENTITY when the product has no purpose for the listener or it is not made yet.
  Result<TlsMaterial> Tls();
  // Identities whose key is not on the token: purpose names.
  Result<std::vector<std::string>> MissingKeys();

 private:
  struct NewKey;
  struct Made;
  Status ProveKey(const Purpose& purpose, const KeyRecord& key);
  Result<NewKey> MakeKey(Operation& operation, const KeyPlan& plan);
  Result<Made> Make(Operation& operation, const KeyPlan& plan);
  // All of `plans`, committed together, which hold to what `whole` read. `several`: the answer
  // lists what was made.
  Result<ChangeResult> Generate(Operation& operation, const std::string& method, const Plan& whole,
                                const std::vector<KeyPlan>& plans, bool several);
  Result<ChangeResult> CommitMade(Operation& operation, const std::string& method,
                                  const Plan& whole, const std::vector<Made>& made, bool several);
  void Install(const Operation& operation, const Made& made, const Snapshot& snapshot,
               TrustWriter& trust, Transaction& transaction, OperationRecord& record,
               MadeItem& item);
  void AddCsr(const std::string& id, const Made& made, Transaction& transaction,
              OperationRecord& record, MadeItem& item);
  // After a failure: the fresh key goes, or the operation is left for recovery.
  Error Abandon(Operation& operation, const std::string& key_id, Error error);
  Error Abandon(Operation& operation, const std::vector<Made>& made, Error error);
  // After a commit: keys whose time is over.
  void DestroyAfterCommit(Operation& operation, const std::vector<std::string>& keys,
                          Findings& findings);

  const Catalogue& catalogue_;
  const NodeNames& names_;
  State& state_;
  Committer& committer_;
  hsm::Token& token_;
  const Clock& clock_;
  x509::Rehearsal rehearsal_;
  std::function<void(const Purpose&)> installed_ = [](const Purpose&) {};
};

}  // namespace signet::keystore
