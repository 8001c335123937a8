# Sourced by the scripts beside it: installs the dependencies, builds the native libraries and the packed tokenizer,
# and puts bun on the PATH. Does only what is missing or out of date.
say() { printf '== %s\n' "$*"; }

for tool in node npm g++; do
  command -v "$tool" > /dev/null || { echo "scripts: $tool is needed and was not found on the PATH" >&2; exit 1; }
done

# A linked node_modules belongs to another checkout, whose files npm ci would delete.
if [ -L node_modules ]; then
  say "using the dependencies that node_modules links to"
elif [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing dependencies (npm ci)"
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi
export PATH="$PWD/node_modules/.bin:$PATH"

mkdir -p build
say "building the native libraries"
scripts/build-native
say "packing the tokenizer of the presets"
bun scripts/pack-tokenizer.ts
