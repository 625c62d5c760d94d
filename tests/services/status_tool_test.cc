// Another maker's responder: what the openssl CLI answers, over HTTP.
#include "tests/services/status_world.h"

namespace signet::services {
namespace {

using OpensslResponder = StatusWorld;

TEST_F(OpensslResponder, AnswersGetAndPostWithAndWithoutNonce) {
  const auto clock = MakeSystemClock();
  const auto ask = [&](const std::string& knows, bool nonce) {
    const StatusAnswer answer = Sources(*clock, 1).source.Ask(
        About("leaf"), {.responder = here_ + "/openssl/" + knows, .nonce = nonce});
    return Brief(answer) + (answer.reason.empty() ? "" : " " + answer.reason);
  };
  EXPECT_EQ(ask("valid", true), "good: OCSP_GOOD");
  EXPECT_EQ(ask("valid", false), "good: OCSP_GOOD");
  EXPECT_EQ(Asked("GET"), 1u);
  EXPECT_EQ(ask("revoked", true), "revoked: OCSP_REVOKED keyCompromise");
  EXPECT_EQ(ask("held", false), "revoked: OCSP_ON_HOLD certificateHold");
  EXPECT_EQ(ask("nothing", true), "unknown: OCSP_UNKNOWN");
}

}  // namespace
}  // namespace signet::services
