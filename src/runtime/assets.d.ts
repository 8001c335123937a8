declare module "*.so" {
  const path: string;
  export default path;
}
declare module "*.tokenizer" {
  const path: string;
  export default path;
}
