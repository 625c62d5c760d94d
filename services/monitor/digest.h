// What is mailed of certificates that expire (SPEC M3), as plain text and HTML. Pure.
#pragma once

#include <string>
#include <vector>

#include "keystore/node.h"
#include "services/monitor/expiry_look.h"

namespace signet::services {

struct MailText {
  std::string subject, text, html;  // UTF-8, line ends LF
};

// What, when, node, purpose or store, serial, impact, and the command that mends it: alarms, then
// warnings. What certificates say of themselves is escaped, in either form.
MailText DigestOf(const ExpiryLook& look, const keystore::NodeNames& names, WallTime now);
// That the monitor is alive, for those who would take silence for good news.
MailText HeartbeatOf(const ExpiryLook& look, const keystore::NodeNames& names, WallTime now);
// For `monitor test-mail`.
MailText TestMailOf(const keystore::NodeNames& names, WallTime now);

}  // namespace signet::services
