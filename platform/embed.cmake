# Writes OUTPUT: a C++ file whose function FUNCTION gives the text of each of INPUTS with the file's stem, as a span of
# TYPE {stem, text} in NAMESPACE. HEADER declares both.
set(rows "")
foreach(input IN LISTS INPUTS)
  get_filename_component(stem ${input} NAME_WE)
  file(READ ${input} text)
  string(APPEND rows "    {\"${stem}\", R\"embedded(${text})embedded\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made by platform/embed.cmake.
#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::span<const ${TYPE}> ${FUNCTION}() {
  static constexpr ${TYPE} kTexts[] = {
${rows}  };
  return kTexts;
}

}  // namespace ${NAMESPACE}
")
