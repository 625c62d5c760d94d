// What is known of the status of certificates, and what follows from it (SPEC R1, R3). Pure: who
// asks and who carries out the consequences is revocation.h.
#pragma once

#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>

#include "keystore/plan_distrust.h"
#include "platform/json.h"
#include "services/revocation/status_source.h"
#include "services/revocation/status_subjects.h"

namespace signet::services {

// Of an answer about a certificate that names nobody who could tell: no rule can ask for what does
// not exist.
inline constexpr std::string_view kNoStatusSource = "NO_STATUS_SOURCE";

// Where designated responders are (SPEC R2).
inline constexpr char kResponderStore[] = "tomcat-trust";

struct RevocationSettings {
  bool enabled = false;
  std::string responder;  // empty: what each certificate names
  std::chrono::hours every{24};
  // About unknown ones; of trust while the check is on only.
  bool upload_hard = false, trust_hard = false, connection_hard = false;
};
RevocationSettings RevocationSettingsOf(const keystore::PlanInput& in);

// The last that is known of one certificate.
struct StatusRow : LenientRecord {
  std::string certificate;  // fingerprint
  std::string status;       // good | revoked | unknown
  std::string word, detail, remedy, reason, source;
  std::optional<WallTime> this_update, next_update, revoked_at;
  WallTime asked{};
  std::optional<WallTime> retry;  // of an answer that could not be had: not before
};
BOOST_DESCRIBE_STRUCT(StatusRow, (LenientRecord),
                      (certificate, status, word, detail, remedy, reason, source, this_update,
                       next_update, revoked_at, asked, retry))

// Between two questions about one certificate: its CA may be late with what comes next.
inline constexpr auto kPause = std::chrono::minutes(5);

// Of all certificates that have a source of their status. A value.
class StatusBook {
 public:
  // What a former process left; a text that cannot be read is an empty book.
  static StatusBook FromText(std::string_view text);
  std::string ToText() const;

  const StatusRow* Find(const std::string& fingerprint) const;
  const std::map<std::string, StatusRow>& rows() const { return rows_; }
  std::optional<WallTime> last_check() const { return last_check_; }

  // Whether its status is to be asked (again) now: never asked, older than the interval, past its
  // nextUpdate, asked at a time that is still to come, or a failure whose time is over; but for the
  // first two never twice in kPause.
  bool IsDue(const std::string& fingerprint, const RevocationSettings& settings,
             WallTime now) const;
  // The next time at which one of them is due; absent: the book is empty.
  std::optional<WallTime> NextDue(const RevocationSettings& settings, WallTime now) const;

  // Notes an answer; one that could not be had while a *good* of before holds is that good one.
  // What is unknown now replaces neither *revoked* nor a *good* that is still fresh. True when the
  // status is another one than before.
  bool Note(const std::string& fingerprint, const StatusAnswer& answer, WallTime now);
  // A *good* from before the *revoked* that is known: a list of last week, or an answer that
  // somebody keeps. It says nothing.
  bool IsOutdated(const std::string& fingerprint, const StatusAnswer& answer) const;
  void Forget(const std::string& fingerprint) { rows_.erase(fingerprint); }
  // The row that `former` has of it, or none.
  void TakeBack(const std::string& fingerprint, const StatusBook& former);
  void Checked(WallTime now) { last_check_ = now; }
  // Forgets what is not asked for any more.
  void Keep(const std::vector<StatusSubject>& subjects);

 private:
  std::map<std::string, StatusRow> rows_;  // by fingerprint
  std::optional<WallTime> last_check_;
};

// What trust owes to the book and the clock: revoked ones go out of trust, those on hold until they
// are good again, expired entries of trust stores until the clock says otherwise, and entries of
// unknown status while the settings are hard. What was revoked and is said to be good again stays
// out until an operator clears it (keystore::kRevoked is never reinstated here). At most
// keystore::kMaxDistrusted at once; the rest is owed still. Records of expired entries that
// are no more go.
keystore::DistrustRequest Consequences(const StatusBook& book, const keystore::Snapshot& snapshot,
                                       const RevocationSettings& settings, WallTime now);
// An entry that others are judged by: under *hard* an unknown status takes it out of trust. A
// responder (SPEC R2) is none, for all answers would go with it.
bool NeedsProof(const keystore::Snapshot& snapshot, const std::string& fingerprint);
bool IsTrustEntry(const keystore::Snapshot& snapshot, const std::string& fingerprint);
// Of the clock alone; cheap.
keystore::DistrustRequest ExpiredTrust(const keystore::Snapshot& snapshot, WallTime now);
// When the clock next takes an entry out of trust, or gives one back.
std::optional<WallTime> NextExpiry(const keystore::Snapshot& snapshot, WallTime now);

}  // namespace signet::services
