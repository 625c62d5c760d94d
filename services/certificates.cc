#include "services/certificates.h"

#include <algorithm>

#include "keystore/plan_distrust.h"
#include "keystore/settings.h"
#include "keystore/x509/export.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "services/forcing.h"
#include "services/key_uri.h"
#include "services/paging.h"
#include "services/revocation/revocation.h"

namespace signet::services {

namespace {

Error UnknownFormat(const std::string& format, const char* known) {
  return MakeError(Kind::kUsage, "FORMAT_UNKNOWN",
                   "there is no format '" + EscapeLine(format, 32) + "' here",
                   std::string("Use one of: ") + known + ".");
}

keystore::IdentityRequest ToIdentityRequest(api::GenerateRequest request) {
  keystore::IdentityRequest out;
  out.purpose = std::move(request.purpose);
  out.distribution = std::move(request.distribution);
  out.key = std::move(request.key);
  out.hash = std::move(request.hash);
  out.validity_days = request.validity_days;
  out.parent_domain = std::move(request.parent_domain);
  out.plan = std::move(request.plan);
  out.subject.common_name = request.common_name.value_or("");
  out.subject.organization = request.organization.value_or("");
  out.subject.organizational_unit = request.organizational_unit.value_or("");
  out.subject.locality = request.locality.value_or("");
  out.subject.state = request.state.value_or("");
  out.subject.country = request.country.value_or("");
  out.sans = std::move(request.sans).value_or(std::vector<std::string>());
  return out;
}

// A CSR is listed without parsing failures: what the state holds was checked when it was written.
api::CsrInfo Describe(const keystore::CsrRecord& record) {
  api::CsrInfo info;
  info.id = record.id;
  info.purpose = record.purpose;
  info.distribution = record.distribution;
  info.created = record.created;
  info.key = record.key.spec;
  info.hash = record.hash;
  auto der = Base64Decode(record.der);
  if (!der) return info;
  info.pem = keystore::x509::RequestToPem(der.value());
  if (auto fields = keystore::x509::ParseRequest(der.value())) {
    info.subject = fields.value().subject;
    info.sans = fields.value().sans;
  }
  return info;
}

// `pem` or `der` of one object; false when it is neither.
bool Fill(api::Download& download, const std::string& pem, const std::string& der) {
  download.encoding = download.format == "der" ? "base64" : "text";
  download.content = download.format == "der" ? Base64Encode(der) : pem;
  return download.format == "der" || download.format == "pem";
}

std::string StemOf(const keystore::Catalogue& catalogue, const std::string& purpose) {
  const keystore::Purpose* row = catalogue.FindPurpose(purpose);
  return row == nullptr ? purpose : row->file_stem;
}

}  // namespace

namespace {

void TellDistrusted(const keystore::PlanInput& in, const std::string& fingerprint,
                    const std::string& what, Findings& warnings) {
  const keystore::DistrustRecord* record = in.snapshot->Distrusted(fingerprint);
  if (record == nullptr) return;
  const bool revoked = record->cause == keystore::kRevoked;
  warnings.push_back(
      {Severity::kError, "DISTRUSTED",
       what + " is " + keystore::WhyDistrusted(*record) + ": " +
           (revoked ? "renew it, 'signet csr generate'" : keystore::RemedyOf(*record)),
       fingerprint});
}

}  // namespace

// What needs attention although the certificate is in place: the end of the whole chain, names that
// it lacks, a self-signed one on a link to others (SPEC W4).
void Certificates::Judge(const keystore::PlanInput& in, const keystore::Purpose& purpose,
                         const keystore::IdentityVersion& current,
                         api::CertificateInfo& info) const {
  WallTime end = *info.not_after;
  TellDistrusted(in, current.certificate, "it", info.warnings);
  for (const std::string& fingerprint : current.chain) {
    TellDistrusted(in, fingerprint, "an issuer of its chain", info.warnings);
    const keystore::x509::Certificate* issuer = in.snapshot->Certificate(fingerprint);
    if (issuer == nullptr || in.snapshot->TrustEntry(purpose.trust_store, fingerprint) == nullptr) {
      info.warnings.push_back({Severity::kWarning, "CHAIN_BROKEN",
                               "an issuer of its chain is not in " + purpose.trust_store +
                                   " any more: upload the CA chain again",
                               fingerprint});
    }
    if (issuer != nullptr) end = std::min(end, issuer->fields().not_after);
  }
  info.days_left = std::chrono::floor<std::chrono::days>(end - in.now).count();
  info.uncovered = keystore::UncoveredNames(in, purpose);
  std::string names;
  for (const std::string& name : info.uncovered) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) {
    info.warnings.push_back(
        {Severity::kWarning, "UNCOVERED_NAMES",
         "the certificate does not name " + names + ": 'signet csr generate " + purpose.name + "'",
         current.certificate});
  }
  if (purpose.federation_link && current.chain.empty()) {
    info.warnings.push_back({Severity::kWarning, "SELF_SIGNED_LINK",
                             "it serves links to other clusters or domains, where a CA-signed "
                             "certificate belongs: 'signet csr generate " +
                                 purpose.name + "'",
                             current.certificate});
  }
}

api::CertificateInfo Certificates::Describe(const keystore::PlanInput& in,
                                            const keystore::Purpose& purpose) const {
  const keystore::Snapshot& snapshot = *in.snapshot;
  api::CertificateInfo info;
  info.purpose = purpose.name;
  info.node = names_.node;
  info.trust_store = purpose.trust_store;
  info.services = purpose.services;
  info.state = "generating";
  const auto row = snapshot.identities.find(purpose.name);
  if (row == snapshot.identities.end() || !row->second.value.current) return info;
  const keystore::IdentityVersion& current = *row->second.value.current;
  info.previous = row->second.value.previous.has_value();
  info.previous_until = keystore::RollbackUntil(in, purpose.name);
  info.key_uri = KeyUri(token_uri_, current.key.id);
  info.key = current.key.spec;
  const keystore::x509::Certificate* certificate = snapshot.Certificate(current.certificate);
  if (certificate == nullptr) {
    info.state = "certificate missing";
    return info;
  }
  const auto& fields = certificate->fields();
  info.state = "ok";
  info.class_ = fields.self_signed ? "self-signed" : "ca-signed";
  info.subject = fields.subject;
  info.issuer = fields.issuer;
  info.serial = fields.serial;
  info.fingerprint = fields.fingerprint;
  info.not_before = fields.not_before;
  info.not_after = fields.not_after;
  info.sans = fields.sans;
  Judge(in, purpose, current, info);
  return info;
}

Result<api::Page<api::CertificateInfo>> Certificates::List(const api::PageRequest& request) const {
  const keystore::PlanInput in = identities_.Input();
  std::map<std::string, const keystore::Purpose*> rows;  // by place in the catalogue, two digits
  for (const keystore::Purpose& purpose : catalogue_.purposes) {
    if (purpose.internal || (purpose.publisher_only && !names_.publisher)) continue;
    rows[std::to_string(10 + rows.size())] = &purpose;
  }
  auto describe = [&](const keystore::Purpose* purpose) { return Describe(in, *purpose); };
  return MakePage<api::Page<api::CertificateInfo>>(rows, request.limit, request.cursor, describe);
}

Result<api::CertificateInfo> Certificates::Show(const std::string& name) const {
  SIGNET_TRY(const keystore::Purpose* purpose, keystore::FindPurpose(catalogue_, name));
  return Describe(identities_.Input(), *purpose);
}

Result<api::Download> Certificates::Download(const api::DownloadRequest& request) const {
  SIGNET_TRY(const keystore::Purpose* purpose, keystore::FindPurpose(catalogue_, request.purpose));
  const auto snapshot = state_.Now();
  const keystore::IdentityVersion* current = snapshot->Current(purpose->name);
  const keystore::x509::Certificate* leaf =
      current == nullptr ? nullptr : snapshot->Certificate(current->certificate);
  if (leaf == nullptr) {
    return MakeError(Kind::kNotFound, "NO_IDENTITY", purpose->name + " has no certificate yet",
                     "Wait for the first boot to end ('signet status').");
  }
  api::Download download;
  download.format = request.format.value_or("pem");
  download.name = purpose->file_stem + (download.format == "der" ? ".der" : ".pem");
  if (Fill(download, leaf->ToPem(), leaf->der())) return download;
  if (download.format != "chain" && download.format != "pkcs7")
    return UnknownFormat(download.format, "pem, der, chain, pkcs7");
  std::vector<keystore::x509::Certificate> chain = {*leaf};
  for (const std::string& fingerprint : current->chain) {
    if (const auto* issuer = snapshot->Certificate(fingerprint)) chain.push_back(*issuer);
  }
  if (download.format == "pkcs7") {
    download.name = purpose->file_stem + ".p7b";
    SIGNET_TRY(download.content, keystore::x509::ToPkcs7(chain));
    return download;
  }
  download.content.clear();
  for (const auto& certificate : chain) download.content += certificate.ToPem();
  return download;
}

boost::asio::awaitable<Result<api::Change>> Certificates::Generate(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::GenerateRequest request) {
  auto job = [this, operation, wanted = ToIdentityRequest(std::move(request))] {
    return identities_.GenerateSelfSigned(*operation, wanted);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Plan>> Certificates::ProposeGenerate(
    RequestContext context, api::GenerateRequest request) {
  auto job = [this, wanted = ToIdentityRequest(std::move(request))] {
    return identities_.ProposeSelfSigned(wanted);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

namespace {

// The request owns the texts to which the parts refer.
Result<keystore::UploadRequest> ToUpload(const RequestContext& context,
                                         const api::UploadRequest& request) {
  keystore::UploadRequest out;
  const bool one = request.purpose && request.pem;
  if (one == request.uploads.has_value() || (!one && (request.purpose || request.pem))) {
    return MakeError(Kind::kUsage, "PARAMETER_INVALID",
                     "give a purpose and its certificate, or a list of them",
                     "Name 'purpose' and 'pem', or 'uploads'.");
  }
  if (one) out.parts.push_back({*request.purpose, *request.pem});
  for (const api::UploadItem& item : request.uploads.value_or(std::vector<api::UploadItem>()))
    out.parts.push_back({item.purpose, {}});
  for (std::size_t i = 0; request.uploads && i < request.uploads->size(); ++i)
    out.parts[i].text = (*request.uploads)[i].pem;
  out.with_chain = request.with_chain.value_or(false);
  SIGNET_TRY(out.overrides, OverridesOf(context, request));
  return out;
}

}  // namespace

boost::asio::awaitable<Result<api::Change>> Certificates::Upload(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::UploadRequest request) {
  auto shared = std::make_shared<const api::UploadRequest>(std::move(request));
  SIGNET_CO_TRY(keystore::UploadRequest wanted, ToUpload(context, *shared));
  SIGNET_CO_TRY(wanted.status, co_await StatusOf(context, shared, wanted));
  const std::string unknown = UnknownStatus(wanted.status);
  auto job = [this, operation, shared, wanted = std::move(wanted)] {
    return identities_.Upload(*operation, wanted, shared->plan);
  };
  Result<keystore::ChangeResult> done = co_await RunOn(changes_, std::move(job), context.limit);
  if (done) operation->detail += unknown;
  co_return done;
}

boost::asio::awaitable<Result<Findings>> Certificates::StatusOf(
    RequestContext context, std::shared_ptr<const api::UploadRequest> request,
    keystore::UploadRequest wanted) {
  std::vector<UploadedTexts> texts;
  for (const keystore::UploadPart& part : wanted.parts) {
    const keystore::Purpose* purpose = catalogue_.FindPurpose(part.purpose);
    if (purpose != nullptr) texts.push_back({purpose->trust_store, {part.text}});
  }
  co_return co_await revocation_.OfUpload(std::move(context), std::move(request), std::move(texts));
}

boost::asio::awaitable<Result<api::Plan>> Certificates::ProposeUpload(RequestContext context,
                                                                      api::UploadRequest request) {
  auto shared = std::make_shared<const api::UploadRequest>(std::move(request));
  SIGNET_CO_TRY(keystore::UploadRequest wanted, ToUpload(context, *shared));
  SIGNET_CO_TRY(wanted.status, co_await StatusOf(context, shared, wanted));
  auto job = [this, shared, wanted = std::move(wanted)] {
    return identities_.ProposeUpload(wanted);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Change>> Certificates::Rollback(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::RollbackRequest request) {
  SIGNET_CO_TRY(keystore::Overrides overrides, OverridesOf(context, request));
  auto job = [this, operation, request = std::move(request), overrides = std::move(overrides)] {
    return identities_.Rollback(*operation, request.purpose, overrides, request.plan);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Plan>> Certificates::ProposeRollback(
    RequestContext context, api::RollbackRequest request) {
  SIGNET_CO_TRY(keystore::Overrides overrides, OverridesOf(context, request));
  auto job = [this, request = std::move(request), overrides = std::move(overrides)] {
    return identities_.ProposeRollback(request.purpose, overrides);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Change>> Certificates::Regenerate(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::RegenerateRequest request) {
  auto job = [this, operation, request = std::move(request)] {
    return identities_.Regenerate(*operation, request.purposes.value_or(std::vector<std::string>()),
                                  request.plan);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Plan>> Certificates::ProposeRegenerate(
    RequestContext context, api::RegenerateRequest request) {
  auto job = [this, request = std::move(request)] {
    return identities_.ProposeRegeneration(request.purposes.value_or(std::vector<std::string>()));
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

Result<api::Page<api::CsrInfo>> Certificates::ListCsrs(const api::PageRequest& request) const {
  const auto snapshot = state_.Now();
  auto describe = [](const auto& row) { return services::Describe(row.value); };
  return MakePage<api::Page<api::CsrInfo>>(snapshot->csrs, request.limit, request.cursor, describe);
}

Result<api::CsrInfo> Certificates::ShowCsr(const std::string& id) const {
  const auto snapshot = state_.Now();
  const auto row = snapshot->csrs.find(id);
  if (row == snapshot->csrs.end()) {
    return MakeError(Kind::kNotFound, "CSR_UNKNOWN", "no CSR " + EscapeLine(id, 64) + " is pending",
                     "'signet csr list' shows what is.");
  }
  return services::Describe(row->second.value);
}

Result<api::Download> Certificates::DownloadCsr(const api::CsrDownloadRequest& request) const {
  if (request.id.has_value() == request.purpose.has_value()) {
    return MakeError(Kind::kUsage, "PARAMETER_INVALID",
                     "name a CSR by id or by purpose, and not by both",
                     "'signet csr list' shows the ids.");
  }
  const auto snapshot = state_.Now();
  const keystore::CsrRecord* found = nullptr;
  for (const auto& [id, row] : snapshot->csrs) {  // in the order of age: the last one is the newest
    if (id == request.id || row.value.purpose == request.purpose) found = &row.value;
  }
  if (found == nullptr) {
    return MakeError(Kind::kNotFound, "CSR_UNKNOWN",
                     "no CSR of '" + EscapeLine(request.id ? *request.id : *request.purpose, 64) +
                         "' is pending",
                     "'signet csr list' shows what is; 'signet csr generate PURPOSE' makes one.");
  }
  api::Download download;
  download.format = request.format.value_or("pem");
  download.name = StemOf(catalogue_, found->purpose) + ".csr";
  SIGNET_TRY(std::string der, Base64Decode(found->der));
  if (!Fill(download, keystore::x509::RequestToPem(der), der))
    return UnknownFormat(download.format, "pem, der");
  return download;
}

boost::asio::awaitable<Result<api::Change>> Certificates::GenerateCsr(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::GenerateRequest request) {
  auto job = [this, operation, wanted = ToIdentityRequest(std::move(request))] {
    return identities_.GenerateCsr(*operation, wanted);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Plan>> Certificates::ProposeCsr(RequestContext context,
                                                                   api::GenerateRequest request) {
  auto job = [this, wanted = ToIdentityRequest(std::move(request))] {
    return identities_.ProposeCsr(wanted);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Change>> Certificates::DiscardCsr(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::IdRequest request) {
  auto job = [this, operation, id = std::move(request.id)] {
    return identities_.DiscardCsr(*operation, id);
  };
  co_return co_await RunOn(changes_, std::move(job), context.limit);
}

}  // namespace signet::services
