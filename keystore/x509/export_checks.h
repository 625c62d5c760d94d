// What all exports ask of their input. For this folder only.
#pragma once

#include <cstddef>

#include "platform/error.h"

namespace signet::keystore::x509 {

// kUsage EXPORT_EMPTY, EXPORT_TOO_LARGE. Defined in export.cc.
Status CheckExportSize(std::size_t count);

}  // namespace signet::keystore::x509
