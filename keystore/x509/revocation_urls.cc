#include "keystore/x509/revocation_urls.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <algorithm>

#include "keystore/x509/distribution_points.h"

namespace signet::keystore::x509 {
namespace {

using AccessPtr = std::unique_ptr<AUTHORITY_INFO_ACCESS, Deleter<AUTHORITY_INFO_ACCESS_free>>;

bool HasScheme(std::string_view url, std::string_view scheme) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return url.size() > scheme.size() &&
         std::ranges::equal(url.substr(0, scheme.size()), scheme, {}, lower);
}

void AddUrl(const GENERAL_NAME* name, std::vector<std::string>& out) {
  if (name == nullptr || name->type != GEN_URI || out.size() >= kMaxRevocationUrls) return;
  const std::string_view url = View(name->d.uniformResourceIdentifier);
  if (url.size() > kMaxRevocationUrl) return;
  if (!HasScheme(url, "http://") && !HasScheme(url, "https://")) return;
  if (std::ranges::find(out, url) == out.end()) out.emplace_back(url);
}

}  // namespace

std::vector<std::string> OcspUrls(const Certificate& certificate) {
  std::vector<std::string> out;
  const AccessPtr access(static_cast<AUTHORITY_INFO_ACCESS*>(
      X509_get_ext_d2i(certificate.handle(), NID_info_access, nullptr, nullptr)));
  for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
    const ACCESS_DESCRIPTION* description = sk_ACCESS_DESCRIPTION_value(access.get(), i);
    if (OBJ_obj2nid(description->method) == NID_ad_OCSP) AddUrl(description->location, out);
  }
  ERR_clear_error();
  return out;
}

std::vector<std::string> CrlUrls(const Certificate& certificate) {
  std::vector<std::string> out;
  const DistributionPointsPtr points = DistributionPoints(certificate);
  for (int i = 0; i < sk_DIST_POINT_num(points.get()); ++i) {
    const GENERAL_NAMES* names = NamesOfPlainPoint(sk_DIST_POINT_value(points.get(), i));
    for (int n = 0; n < sk_GENERAL_NAME_num(names); ++n) {
      AddUrl(sk_GENERAL_NAME_value(names, n), out);
    }
  }
  ERR_clear_error();
  return out;
}

bool HasNoCheck(const Certificate& certificate) {
  return X509_get_ext_by_NID(certificate.handle(), NID_id_pkix_OCSP_noCheck, -1) >= 0;
}

}  // namespace signet::keystore::x509
