// A real store in a folder of the test, and one that commits but loses its answer.
#pragma once

#include <gtest/gtest.h>

#include "keystore/snapshot.h"
#include "keystore/store/sqlite_store.h"
#include "tests/keystore/scratch.h"

namespace signet::keystore {

// Forwards to a real store. Next() chooses what becomes of the calls that follow.
class LossyStore final : public Store {
 public:
  enum class Fault : std::uint8_t { kNone, kRefuse, kLoseAnswer, kLoseAnswerAndGet };
  explicit LossyStore(Store& real) : real_(real) {}
  void Next(Fault fault) { fault_ = fault; }
  // The first `commits` of those that follow go well, then comes `fault`.
  void After(int commits, Fault fault) {
    good_ = commits;
    later_ = fault;
  }

  Result<std::optional<Record>> Get(const std::string& key, Duration deadline) override {
    if (fault_ == Fault::kLoseAnswerAndGet) return Lost();
    return real_.Get(key, deadline);
  }
  Result<Range> List(const std::string& prefix, const std::string& after, std::size_t limit,
                     Duration deadline) override {
    return real_.List(prefix, after, limit, deadline);
  }
  Result<std::optional<Revision>> Commit(const Transaction& transaction,
                                         Duration deadline) override {
    if (later_ && good_-- == 0) {
      fault_ = *later_;
      later_.reset();
    }
    if (fault_ == Fault::kRefuse) return Lost();
    auto committed = real_.Commit(transaction, deadline);
    if (fault_ != Fault::kNone) return Lost();
    return committed;
  }
  Result<std::unique_ptr<keystore::Watch>> Watch(const std::string& prefix, Revision from,
                                                 WatchSink sink) override {
    return real_.Watch(prefix, from, std::move(sink));
  }

 private:
  static Error Lost() {
    return MakeError(Kind::kTimeout, "STORE_BUSY", "the store does not answer", "Try again.");
  }
  Store& real_;
  Fault fault_ = Fault::kNone;
  std::optional<Fault> later_;
  int good_ = 0;
};

struct OpenStore {
  OpenStore() : sqlite(OpenSqliteStore(scratch.File("state.db"), true).value()), lossy(*sqlite) {}
  Revision Put(const std::string& key, const std::string& value) {
    Transaction transaction;
    transaction.Put(key, value);
    return sqlite->Commit(transaction, std::chrono::seconds(10)).value().value();
  }
  std::optional<std::string> Get(const std::string& key) {
    auto record = sqlite->Get(key, std::chrono::seconds(10)).value();
    return record ? std::optional<std::string>(record->value) : std::nullopt;
  }
  Revision Now() { return sqlite->List("none/", "", 1, std::chrono::seconds(10)).value().revision; }

  Scratch scratch;
  std::unique_ptr<Store> sqlite;
  LossyStore lossy;
  Layout layout{"blue", "imp1.example.com"};
};

}  // namespace signet::keystore
