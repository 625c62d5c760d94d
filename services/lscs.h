// The certificates of endpoints, which CAPF or somebody else issued (SPEC M4): registered in bulk,
// listed, and counted by the certificate monitor when it is asked to (`monitor-lsc`).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>

#include "keystore/catalogue.h"
#include "keystore/lsc_register.h"
#include "keystore/operation.h"
#include "keystore/snapshot.h"
#include "platform/lanes.h"
#include "services/lsc_api.h"
#include "services/request_context.h"

namespace signet::services {

// Of LSCs the monitor names no more than so many each by itself.
inline constexpr std::size_t kNamedLscs = 50;

// Thread-safe. Works on a lane of its own: a bundle holds up nobody else.
class Lscs {
 public:
  struct Parts {
    const keystore::Catalogue& catalogue;
    keystore::State& state;
    const Clock& clock;
    Lane& lane;
  };
  // A register that could not be opened is told of by Warnings, and by each call.
  Lscs(Parts parts, Result<std::unique_ptr<keystore::LscRegister>> opened);

  // Takes each certificate that is good and reports each that is not: no certificate, a CA, or
  // issued by nobody whom the appliance knows. Errors of the whole: x509::ReadBundle's (a private
  // key, SPEC C1), and the register's.
  boost::asio::awaitable<Result<api::LscRegistration>> Register(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::LscRegisterRequest request);
  // Those that end first are first.
  boost::asio::awaitable<Result<api::Page<api::LscInfo>>> List(RequestContext context,
                                                               api::LscListRequest request) const;
  boost::asio::awaitable<Result<api::LscRemoval>> Remove(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::IdRequest request);
  // kUsage BEFORE_IN_FUTURE.
  boost::asio::awaitable<Result<api::LscRemoval>> RemoveExpired(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::LscRemoveExpiredRequest request);

  // Reads the register, by index: milliseconds.
  Result<keystore::LscCount> Count(WallTime now, std::chrono::seconds start) const;
  // LSC_REGISTER_UNAVAILABLE.
  Findings Warnings() const;

 private:
  Result<keystore::LscRegister*> Opened() const;
  Result<api::LscRegistration> RegisterNow(keystore::Operation& operation,
                                           const api::LscRegisterRequest& request);

  const Parts parts_;
  std::unique_ptr<keystore::LscRegister> register_;  // null: see `problem_`
  std::optional<Error> problem_;
};

}  // namespace signet::services
