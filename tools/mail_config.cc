#include "tools/mail_config.h"

#include <algorithm>

#include "hsm/pin_source.h"
#include "tools/keyd_config.h"

namespace signet::tools {

namespace {

constexpr std::uint16_t kSubmission = 587;  // RFC 6409

// PEM of all that a trust store trusts by itself.
std::string AnchorsOf(const keystore::Snapshot& snapshot, const std::string& store) {
  std::string pem;
  snapshot.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
    const keystore::x509::Certificate* found = snapshot.Certificate(entry.certificate);
    if (snapshot.Distrusted(entry.certificate) != nullptr) return true;
    if (found != nullptr && (entry.kind == "anchor" || entry.kind == "pinned"))
      pem += found->ToPem();
    return true;
  });
  return pem;
}

}  // namespace

std::optional<MailConfig> ReadMail(TomlTable& root, const std::filesystem::path& folder,
                                   const keystore::Catalogue& catalogue) {
  if (!root.Has("mail")) return std::nullopt;
  TomlTable table = root.Table("mail");
  MailConfig config;
  if (auto server = ParseHostPort(table.String("server"), kSubmission)) {
    config.server = std::move(server).value();
  } else {
    table.Fail("server", server.error().detail + ". " + server.error().remedy);
  }
  const std::string security = table.String("security", "starttls");
  if (security == "tls") {
    config.security = MailSecurity::kTls;
  } else if (security == "none") {
    config.security = MailSecurity::kNone;
  } else if (security != "starttls") {
    table.Fail("security", "must be starttls, tls or none");
  }
  if (auto from = ParseMailAddress(table.String("from"))) {
    config.from = std::move(from).value();
  } else {
    table.Fail("from", from.error().detail + ". " + from.error().remedy);
  }
  config.user = table.String("user", "");
  config.password_source = ResolveSource(folder, table.String("password-source", ""));
  if (config.user.empty() != config.password_source.empty())
    table.Fail("user", "'user' and 'password-source' belong together");
  if (!config.user.empty() && config.security == MailSecurity::kNone)
    table.Fail("security", "a password is not sent without TLS");
  // It is read for each mail.
  const std::string& source = config.password_source;
  if (!source.empty() && !source.starts_with("file:") && !source.starts_with("credential:")) {
    table.Fail("password-source", "must be file:PATH or credential:NAME");
  } else if (auto parsed = hsm::PinSource::Parse(source); !parsed) {
    table.Fail("password-source", parsed.error().detail + ". " + parsed.error().remedy);
  }
  config.trust_store = table.String("trust-store", "");
  const bool known = std::any_of(catalogue.trust_stores.begin(), catalogue.trust_stores.end(),
                                 [&](const auto& row) { return row.name == config.trust_store; });
  if (!config.trust_store.empty() && !known)
    table.Fail("trust-store", "there is no trust store of that name");
  config.heartbeat = std::chrono::days(table.Integer("heartbeat-days", 1, 365, 30));
  return config;
}

services::MailQueue::Sender MakeSender(const MailConfig& config, std::string helo,
                                       FileSystem& files, const keystore::State& state,
                                       std::function<AddressPolicy()> policy) {
  return [config, helo = std::move(helo), &files, &state,
          policy = std::move(policy)](const Mail& mail) -> Result<std::vector<MailOutcome>> {
    MailServer server;
    server.target = config.server;
    server.security = config.security;
    server.helo = helo;
    server.policy = policy();
    if (!config.user.empty()) {
      server.user = config.user;
      SIGNET_TRY(const hsm::PinSource source, hsm::PinSource::Parse(config.password_source));
      auto password = source.Read(files);
      if (!password) {
        return MakeError(Kind::kUnavailable, "MAIL_PASSWORD_UNAVAILABLE",
                         "the mail server's password: " + password.error().detail,
                         "Correct 'password-source' of [mail] in signet.toml, and that signetd may "
                         "read what it names.");
      }
      server.password = std::move(password).value();
    }
    if (!config.trust_store.empty()) {
      server.trust_pem = AnchorsOf(*state.Now(), config.trust_store);
      if (server.trust_pem.empty()) {
        return MakeError(Kind::kRefused, "MAIL_TRUST_EMPTY",
                         config.trust_store + " has no anchor that the mail server could lead to",
                         "signet trust upload " + config.trust_store + " FILE");
      }
    }
    return SendMail(server, mail);
  };
}

}  // namespace signet::tools
