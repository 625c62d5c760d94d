// The CRL distribution points of a certificate, as OpenSSL reads them. For this folder only.
#pragma once

#include <openssl/x509v3.h>

#include <memory>

#include "keystore/x509/certificate.h"
#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {

using DistributionPointsPtr = std::unique_ptr<CRL_DIST_POINTS, Deleter<CRL_DIST_POINTS_free>>;

// Null when there are none (or none that can be read: the parser has refused those).
inline DistributionPointsPtr DistributionPoints(const Certificate& certificate) {
  return DistributionPointsPtr(static_cast<CRL_DIST_POINTS*>(
      X509_get_ext_d2i(certificate.handle(), NID_crl_distribution_points, nullptr, nullptr)));
}

// The names of a point whose list is the issuer's own and tells of all reasons; null for others.
inline const GENERAL_NAMES* NamesOfPlainPoint(const DIST_POINT* point) {
  if (point->distpoint == nullptr || point->distpoint->type != 0) return nullptr;
  if (point->reasons != nullptr || point->CRLissuer != nullptr) return nullptr;
  return point->distpoint->name.fullname;
}

}  // namespace signet::keystore::x509
