// What the revocation check knows, in words for people and as it travels. Pure.
#pragma once

#include "services/revocation/status_book.h"
#include "services/revocation_api.h"

namespace signet::services {

// Settings, rows and what is out of trust; without findings.
api::RevocationInfo DescribeBook(const keystore::PlanInput& in, const StatusBook& book);

// REVOKED_IN_USE, DISTRUSTED_IN_USE, SAID_GOOD (errors), DISTRUSTED, STATUS_UNKNOWN (warnings).
Findings WarningsOf(const keystore::PlanInput& in, const StatusBook& book);

// A sentence for each whose status is unknown, but for those that name nobody; at most `most`.
std::vector<std::string> UnprovedOf(const keystore::PlanInput& in, const StatusBook& book,
                                    std::size_t most);

// REVOKED (an error) or STATUS_UNKNOWN (an error while `hard`, else a warning) of one certificate
// that comes in; nothing for a good one, or one that names nobody who could tell.
void TellStatus(const keystore::x509::Certificate& certificate, const StatusAnswer& answer,
                bool hard, Findings& findings);
// WOULD_BE_DISTRUSTED, WOULD_BE_REFUSED, STATUS_UNKNOWN (warnings), NO_STATUS_SOURCE (info, one for
// all): what such settings would do now.
void TellWhatWouldBe(const std::vector<StatusSubject>& subjects,
                     const std::vector<StatusAnswer>& answers, const RevocationSettings& settings,
                     Findings& findings);

}  // namespace signet::services
