# Writes OUTPUT: a C++ file with the text of each of INPUTS, looked up by the file's stem.
set(rows "")
foreach(input IN LISTS INPUTS)
  get_filename_component(stem ${input} NAME_WE)
  file(READ ${input} text)
  string(APPEND rows "    {\"${stem}\", R\"catalogue(${text})catalogue\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made from keystore/catalogue/*.toml by embed.cmake.
#include \"keystore/catalogue_data.h\"

namespace signet::keystore {

std::span<const EmbeddedCatalogue> EmbeddedCatalogues() {
  static constexpr EmbeddedCatalogue kCatalogues[] = {
${rows}  };
  return kCatalogues;
}

}  // namespace signet::keystore
")
