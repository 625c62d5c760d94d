#include "services/monitor/digest.h"

#include <kainjow/mustache.hpp>

#include "platform/encoding.h"
#include "services/monitor/mail_data.h"

namespace signet::services {

namespace {

namespace mustache = kainjow::mustache;

constexpr std::size_t kListed = 200;

std::string Render(std::string_view name, const mustache::data& data) {
  for (const EmbeddedMail& mail : EmbeddedMails()) {
    if (mail.name != name) continue;
    mustache::mustache compiled{std::string(mail.text)};
    return compiled.render(data);
  }
  std::abort();  // a text that was not embedded
}

mustache::data HeadOf(const std::string& title, const keystore::NodeNames& names, WallTime now) {
  mustache::data data;
  data.set("title", title);
  data.set("now", FormatTime(now));
  data.set("cluster", names.cluster);
  data.set("node", names.node);
  return data;
}

MailText NoteOf(const std::string& title, const std::string& body, const keystore::NodeNames& names,
                WallTime now) {
  mustache::data data = HeadOf(title, names, now);
  data.set("body", body);
  return {title, Render("note_text", data), Render("note_html", data)};
}

std::string Count(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

MailText DigestOf(const ExpiryLook& look, const keystore::NodeNames& names, WallTime now) {
  mustache::data items{mustache::data::type::list};
  std::size_t listed = 0, alarms = 0, warnings = 0, endpoints = 0;
  for (const ExpiryItem& item : look.items) {
    if (item.level == ExpiryLevel::kHint) continue;
    endpoints += item.stands_for;
    if (!item.endpoints) ++(item.level == ExpiryLevel::kAlarm ? alarms : warnings);
    if (++listed > kListed) continue;
    mustache::data row;
    row.set("level", std::string(ExpiryLevelName(item.level)));
    row.set("place", EscapeLine(item.place, 256));
    row.set("node", item.node);
    row.set("when", item.when);
    row.set("end", FormatTime(item.end));
    row.set("subject", item.subject);
    row.set("serial", item.serial);
    row.set("impact", item.impact);
    row.set("remedy", item.remedy);
    items.push_back(row);
  }
  std::string title = alarms > 0 ? Count(alarms, "certificate alarm") : "";
  if (warnings > 0) title += (title.empty() ? "" : ", ") + Count(warnings, "certificate warning");
  if (endpoints > 0) title += (title.empty() ? "" : ", ") + Count(endpoints, "LSC") + " due";
  title += " on " + names.node;
  mustache::data data = HeadOf(title, names, now);
  data.set("items", items);
  if (listed > kListed) data.set("more", std::to_string(listed - kListed));
  return {title, Render("digest_text", data), Render("digest_html", data)};
}

MailText HeartbeatOf(const ExpiryLook& look, const keystore::NodeNames& names, WallTime now) {
  std::string body = "The certificate monitor runs. It looked at " +
                     Count(look.checked, "certificate") + "; none of them asks for a mail.";
  if (look.unknown > 0)
    body += " " + Count(look.unknown, "certificate") + " cannot be read: 'signet monitor show'.";
  if (look.earliest) body += " The first one ends at " + FormatTime(*look.earliest) + ".";
  return NoteOf("Certificates of " + names.node + " are watched", body, names, now);
}

MailText TestMailOf(const keystore::NodeNames& names, WallTime now) {
  return NoteOf("Test mail of the certificate monitor on " + names.node,
                "Mails about certificates that expire come this way ('signet monitor show').",
                names, now);
}

}  // namespace signet::services
