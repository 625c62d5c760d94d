// The texts of keystore/catalogue/*.toml as the build embedded them. For catalogue.cc only.
#pragma once

#include <span>
#include <string_view>

namespace signet::keystore {

struct EmbeddedCatalogue {
  std::string_view product;
  std::string_view toml;
};

std::span<const EmbeddedCatalogue> EmbeddedCatalogues();

}  // namespace signet::keystore
