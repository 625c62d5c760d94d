// The shapes of requests and answers as they travel (snake_case here, camelCase on the wire), one
// place for all. Types only. Optional members may be absent from a request and are null in an
// answer.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "keystore/operation.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "platform/secret.h"

namespace signet::services::api {

struct Empty {};
BOOST_DESCRIBE_STRUCT(Empty, (), ())

// ---- changes that can be planned
// A change that is asked for with `dry_run` answers with its Plan and does nothing; one that names
// a plan's hash carries out exactly that plan (PLAN_STALE).
struct Plannable {
  std::optional<bool> dry_run;
  std::optional<std::string> plan;
};
BOOST_DESCRIBE_STRUCT(Plannable, (), (dry_run, plan))
using Plan = keystore::PlanReport;

// Findings that are overridden, and why; an administrator's privilege.
struct Forcible : Plannable {
  std::optional<std::vector<std::string>> force;
  std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(Forcible, (Plannable), (force, reason))

// ---- lists are paged
// -------------------------------------------------------------------------------------------------------
struct PageRequest {
  std::optional<std::int64_t> limit;  // 1 to 1000, default 100
  std::optional<std::string> cursor;  // `next` of the page before
};
BOOST_DESCRIBE_STRUCT(PageRequest, (), (limit, cursor))

// ---- status
// ------------------------------------------------------------------------------------------------------------------
struct StatusAnswer {
  std::string state;  // unprovisioned | locked | operational | failed
  std::string reason;
  std::string product, cluster, node, version;
  std::int64_t format = 0;
  WallTime started{};
  std::int64_t identities = 0, identities_wanted = 0;  // made so far at first boot
  std::string progress;  // "generating cup-ECDSA (4 of 9)", empty when done
  std::string applying;  // a plan: "Cisco Tomcat (1 of 3), operation …", empty when there is none
  std::int64_t pending_csrs = 0, trust_entries = 0;
  std::string socket, url;
  std::int64_t recovered = 0;  // interrupted operations that this start finished or undid
  std::vector<Finding> warnings;
};
BOOST_DESCRIBE_STRUCT(StatusAnswer, (),
                      (state, reason, product, cluster, node, version, format, started, identities,
                       identities_wanted, progress, applying, pending_csrs, trust_entries, socket,
                       url, recovered, warnings))

// ---- certificates
// ----------------------------------------------------------------------------------------------------------
struct CertificateInfo {
  std::string purpose, node;
  std::string state;                  // "ok" | "generating" | "key missing"
  std::optional<std::string> class_;  // self-signed | ca-signed
  std::optional<std::string> subject, issuer, serial, fingerprint;
  std::optional<WallTime> not_before, not_after;
  std::vector<std::string> sans;
  std::optional<std::string> key;  // "rsa:2048"
  std::string trust_store;
  std::vector<std::string> services;
  std::optional<std::string> key_uri;     // RFC 7512
  std::optional<std::int64_t> days_left;  // of the whole chain; negative: over
  std::vector<std::string> uncovered;     // names that it should have and has not
  std::vector<Finding> warnings;          // UNCOVERED_NAMES, SELF_SIGNED_LINK (W4), CHAIN_BROKEN
  bool previous = false;                  // a former certificate is kept for a rollback
  std::optional<WallTime> previous_until;
};
BOOST_DESCRIBE_STRUCT(CertificateInfo, (),
                      (purpose, node, state, class_, subject, issuer, serial, fingerprint,
                       not_before, not_after, sans, key, trust_store, services, key_uri, days_left,
                       uncovered, warnings, previous, previous_until))

struct PurposeRequest {
  std::string purpose;
};
BOOST_DESCRIBE_STRUCT(PurposeRequest, (), (purpose))

struct GenerateRequest : Plannable {
  std::string purpose;
  std::optional<std::string>
      distribution;  // this node's name (default) or, for a CSR, "multi-server"
  std::optional<std::string> key, hash;
  std::optional<std::int64_t> validity_days;  // self-signed only; 1 to 7300, default 1825
  std::optional<std::string> common_name, parent_domain, organization, organizational_unit,
      locality, state, country;
  std::optional<std::vector<std::string>> sans;  // "DNS:…", "IP:…", …
};
BOOST_DESCRIBE_STRUCT(GenerateRequest, (Plannable),
                      (purpose, distribution, key, hash, validity_days, common_name, parent_domain,
                       organization, organizational_unit, locality, state, country, sans))

struct DownloadRequest {
  std::string purpose;                // certificate.download; csr.download takes `id` or `purpose`
  std::optional<std::string> format;  // pem (default) | der (base64 in `content`) | chain | pkcs7
};
BOOST_DESCRIBE_STRUCT(DownloadRequest, (), (purpose, format))

struct DownloadFile {
  std::string name, content;
};
BOOST_DESCRIBE_STRUCT(DownloadFile, (), (name, content))

struct Download {
  std::string name;  // file name by SPEC W5
  std::string format;
  std::string encoding;  // text | base64
  std::string content;
  std::optional<std::vector<DownloadFile>> files;  // of a folder, in place of `content`; text
};
BOOST_DESCRIBE_STRUCT(Download, (), (name, format, encoding, content, files))

struct UploadItem {
  std::string purpose;
  WipedString pem;
};
BOOST_DESCRIBE_STRUCT(UploadItem, (), (purpose, pem))

struct UploadRequest : Forcible {
  std::optional<std::string> purpose;  // with `pem`: one certificate
  std::optional<WipedString> pem;
  std::optional<std::vector<UploadItem>> uploads;  // or several, all or none
  std::optional<bool> with_chain;  // store the uploads' CA certificates in the trust store first
};
BOOST_DESCRIBE_STRUCT(UploadRequest, (Forcible), (purpose, pem, uploads, with_chain))

struct RegenerateRequest : Plannable {
  std::optional<std::vector<std::string>> purposes;  // all that lack names, when absent
};
BOOST_DESCRIBE_STRUCT(RegenerateRequest, (Plannable), (purposes))

struct RollbackRequest : Forcible {
  std::string purpose;
};
BOOST_DESCRIBE_STRUCT(RollbackRequest, (Forcible), (purpose))

// Any change answers with this.
using Change = keystore::ChangeResult;

// ---- CSRs
// --------------------------------------------------------------------------------------------------------------------
struct CsrInfo {
  std::string id, purpose, distribution;
  WallTime created{};
  std::string key, hash, subject;
  std::vector<std::string> sans;
  std::string pem;
};
BOOST_DESCRIBE_STRUCT(CsrInfo, (),
                      (id, purpose, distribution, created, key, hash, subject, sans, pem))

struct IdRequest {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(IdRequest, (), (id))

struct CsrDownloadRequest {
  std::optional<std::string> id, purpose;  // one of them; of a purpose the newest
  std::optional<std::string> format;       // pem | der
};
BOOST_DESCRIBE_STRUCT(CsrDownloadRequest, (), (id, purpose, format))

// ---- trust stores
// ------------------------------------------------------------------------------------------------------------
struct TrustListRequest {
  std::optional<std::string> store;
  std::optional<std::string> kind;         // anchor | intermediate | pinned | ocsp-responder
  std::optional<std::string> starts_with;  // of subject's common name or fingerprint, any case
  std::optional<bool> expired, self_signed, unused;  // only those (true), only the others (false)
  std::optional<bool> deleted;                       // tombstones instead of entries
  std::optional<std::int64_t> limit;
  std::optional<std::string> cursor;
};
BOOST_DESCRIBE_STRUCT(TrustListRequest, (),
                      (store, kind, starts_with, expired, self_signed, unused, deleted, limit,
                       cursor))

struct TrustInfo {
  std::string store, id, kind, subject, issuer, serial;
  WallTime not_before{}, not_after{};
  std::string key, description, origin;
  WallTime added{};
  std::optional<std::string> distrusted;                 // why it is out of trust
  std::optional<std::string> deleted_by, delete_reason;  // of a tombstone
  std::optional<WallTime> deleted;
  std::optional<std::vector<std::string>> used_by;  // trust.show only: "tomcat (current)"
  std::optional<std::string> pem;                   // trust.show only
};
BOOST_DESCRIBE_STRUCT(TrustInfo, (),
                      (store, id, kind, subject, issuer, serial, not_before, not_after, key,
                       description, origin, added, distrusted, deleted_by, delete_reason, deleted,
                       used_by, pem))

struct TrustShowRequest {
  std::string store, id;
};
BOOST_DESCRIBE_STRUCT(TrustShowRequest, (), (store, id))

struct TrustUploadItem {
  WipedString pem;
  std::optional<std::string> description, predecessor;
};
BOOST_DESCRIBE_STRUCT(TrustUploadItem, (), (pem, description, predecessor))

struct TrustUploadRequest : Plannable {
  std::string store;
  std::vector<TrustUploadItem> certificates;  // each may hold several PEM blocks; any order
  std::optional<std::string> mode;            // chain (default: all or nothing) | bundle
  std::optional<std::string> as;              // pinned | ocsp-responder
  std::optional<bool> undelete;               // what was deleted may come back
};
BOOST_DESCRIBE_STRUCT(TrustUploadRequest, (Plannable), (store, certificates, mode, as, undelete))

struct TrustDeleteRequest : Forcible {
  std::string store, id;
};
BOOST_DESCRIBE_STRUCT(TrustDeleteRequest, (Forcible), (store, id))

struct TrustUndeleteRequest : Plannable {
  std::string store, id;
};
BOOST_DESCRIBE_STRUCT(TrustUndeleteRequest, (Plannable), (store, id))

struct TrustDownloadRequest {
  std::string store;
  // pem (default) | pkcs7 | pkcs12 (trusted certificates for Java) | hashed (a folder for
  // OpenSSL's -CApath)
  std::optional<std::string> format;
  std::optional<std::string> password;  // of pkcs12; what is in it is public. Default "changeit"
};
BOOST_DESCRIBE_STRUCT(TrustDownloadRequest, (), (store, format, password))

// ---- import
struct ImportRequest : Plannable {
  std::string store, host;               // HOST[:PORT], 443 by default
  std::optional<std::string> algorithm;  // rsa | ecdsa | both; the server chooses by default
  std::optional<std::string> starttls;   // xmpp | xmpp-server | smtp | ldap
  std::optional<std::vector<std::string>> fingerprint;  // SHA-256 that were confirmed
};
BOOST_DESCRIBE_STRUCT(ImportRequest, (Plannable), (store, host, algorithm, starttls, fingerprint))

struct ImportAttempt {
  std::string algorithm;  // rsa | ecdsa | any
  bool connected = false, downloaded = false, stored = false;
  std::string address, protocol;
  std::optional<std::string> fingerprint;           // of the server's own certificate
  std::optional<std::string> code, detail, remedy;  // of what failed
};
BOOST_DESCRIBE_STRUCT(ImportAttempt, (),
                      (algorithm, connected, downloaded, stored, address, protocol, fingerprint,
                       code, detail, remedy))

struct ImportAnswer {
  bool changed = false;
  std::string operation;
  std::vector<std::string> restarts, stored;  // services; fingerprints of entries
  std::vector<Finding> findings;
  std::vector<ImportAttempt> attempts;
};
BOOST_DESCRIBE_STRUCT(ImportAnswer, (), (changed, operation, restarts, stored, findings, attempts))

// ---- settings
struct SettingInfo {
  std::string name, value, default_value, summary;
  std::vector<std::string> choices;
};
BOOST_DESCRIBE_STRUCT(SettingInfo, (), (name, value, default_value, summary, choices))
struct SettingRequest {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(SettingRequest, (), (name))
struct SettingSetRequest : Plannable {
  std::string name, value;
};
BOOST_DESCRIBE_STRUCT(SettingSetRequest, (Plannable), (name, value))

// ---- token and keys
// ----------------------------------------------------------------------------------------------------------
struct TokenStatus {
  std::string state, reason, label, manufacturer, model, serial, library;
  std::int64_t failed_logins = 0, next_login_in_seconds = 0;
};
BOOST_DESCRIBE_STRUCT(TokenStatus, (),
                      (state, reason, label, manufacturer, model, serial, library, failed_logins,
                       next_login_in_seconds))

struct UnlockRequest {
  Secret pin;
};
BOOST_DESCRIBE_STRUCT(UnlockRequest, (), (pin))

struct SelfTestStep {
  std::string name;
  bool passed = false;
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(SelfTestStep, (), (name, passed, detail))
struct SelfTestAnswer {
  bool passed = false;
  std::vector<SelfTestStep> steps;
};
BOOST_DESCRIBE_STRUCT(SelfTestAnswer, (), (passed, steps))

struct KeyInfo {
  std::string id, label, key, policy;
  std::string owner;  // "tomcat current", "tomcat csr <id>", "tomcat previous", "appliance", or
                      // "none: …" for a key nobody here made
  bool on_token = false;
  std::optional<std::int64_t> uses;  // signatures given since signet-keyd began; it may be away
};
BOOST_DESCRIBE_STRUCT(KeyInfo, (), (id, label, key, policy, owner, on_token, uses))

struct SignRequest {
  std::string purpose;  // its current key
  std::optional<std::string>
      algorithm;  // rsa-pkcs1 (default for RSA) | rsa-pss | ecdsa (default for EC)
  std::optional<std::string> hash;    // default sha256
  std::optional<std::string> digest;  // base64 of the digest
  std::optional<std::string> data;    // base64 of the message (hashed here); one of digest and data
};
BOOST_DESCRIBE_STRUCT(SignRequest, (), (purpose, algorithm, hash, digest, data))
struct SignAnswer {
  std::string key, algorithm, hash;
  std::string signature;  // base64; ECDSA as ECDSA-Sig-Value (DER)
};
BOOST_DESCRIBE_STRUCT(SignAnswer, (), (key, algorithm, hash, signature))

// ---- audit
// -------------------------------------------------------------------------------------------------------------------
struct AuditInfo {
  std::int64_t sequence = 0;
  WallTime time{};
  std::string actor, role, origin, method, digest, operation, outcome, detail, hash;
};
BOOST_DESCRIBE_STRUCT(AuditInfo, (),
                      (sequence, time, actor, role, origin, method, digest, operation, outcome,
                       detail, hash))
struct AuditVerdict {
  bool verified = false;
  std::int64_t records = 0;
  std::optional<std::int64_t> first_bad;  // sequence of the first record that does not verify
  std::string problem, head;
};
BOOST_DESCRIBE_STRUCT(AuditVerdict, (), (verified, records, first_bad, problem, head))

// ---- pages
// -------------------------------------------------------------------------------------------------------------------
template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> next;  // cursor of the next page
  BOOST_DESCRIBE_CLASS(Page, (), (items, next), (), ())
};

}  // namespace signet::services::api
