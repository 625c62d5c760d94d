// A node whose clock is set, for the monitors' simulated years; certificates of openssl.
#pragma once

#include <gmock/gmock.h>

#include <future>

#include "keystore/node_log.h"
#include "services/events.h"
#include "tests/services/publish_world.h"
#include "tests/support/manual_clock.h"

namespace signet::services {

class MonitorWorld : public ::testing::Test {
 protected:
  // The log as a process that starts now has it.
  void OpenLog(bool create) {
    events_.reset();
    log_.reset();
    log_ = keystore::NodeLog::Open(world_.Path("node.db"), create, clock_).value();
    events_ = std::make_unique<Events>(*log_, *store_lane_, clock_);
  }
  // What is on the lanes is done.
  void Settle() const {
    for (Lane* lane : {store_lane_.get(), mail_lane_.get()}) {
      std::promise<void> done;
      ASSERT_TRUE(lane->TryPost([&] { done.set_value(); }));
      done.get_future().wait();
    }
  }
  // Timer by timer.
  void Advance(Duration by) {
    const SteadyTime end = clock_.Steady() + by;
    for (auto next = clock_.UntilNext(); next && clock_.Steady() + *next <= end;
         next = clock_.UntilNext()) {
      clock_.Advance(*next);
      Settle();
    }
    clock_.Advance(end - clock_.Steady());
    Settle();
  }
  std::string Leaf(int days) {
    const std::string csr = testing::MustRun(
        {"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", world_.Path("key.pem"), "-subj", "/CN=imp1.example.com"});
    testing::CertificateAuthority::SignOptions options;
    options.days = days;
    options.copy_extensions = false;
    return world_.ca.Sign(csr, options);
  }

  PublishWorld world_;
  keystore::NodeNames names_{"berlin", "imp1.example.com", "example.com", {}, {}, true};
  testing::ManualClock clock_{MakeSystemClock()->Now()};
  const WallTime start_ = clock_.Now();
  std::unique_ptr<keystore::NodeLog> log_;
  std::unique_ptr<Lane> store_lane_ = std::make_unique<Lane>("store", 1, 256);
  std::unique_ptr<Lane> mail_lane_ = std::make_unique<Lane>("mail", 1, 256);
  std::unique_ptr<Events> events_;
};

}  // namespace signet::services
